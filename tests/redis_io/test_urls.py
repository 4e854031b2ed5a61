"""The URLs of Redis servers: their meaning, and errors that repeat no secret."""

from __future__ import annotations

from typing import Any

import pytest

from fws_gevent.errors import ConfigurationError
from fws_gevent.redis_io.servers import ClusterServers, OneServer, SentinelServers
from fws_gevent.redis_io.urls import servers_at, servers_from_url

from ..redis_processes import RedisProcess

SECRET = "geheim"


@pytest.mark.parametrize(
    ("url", "kind", "name"),
    [
        ("redis://", OneServer, "localhost:6379"),
        ("redis://10.0.0.1", OneServer, "10.0.0.1:6379"),
        (f"redis://me:{SECRET}@redis.test:7000/3", OneServer, "redis.test:7000"),
        (f"rediss://:{SECRET}@redis.test?ssl_ca_certs=/ca.pem", OneServer, "redis.test:6379"),
        (f"unix://:{SECRET}@/run/redis.sock?db=1", OneServer, "unix:/run/redis.sock"),
        (f"redis+sentinel://me:{SECRET}@a:1,b/books/2", SentinelServers, "sentinel a:1,b books"),
        (f"rediss+sentinel://a/books?sentinel_password={SECRET}", SentinelServers,
         "sentinel a books"),
        (f"redis+cluster://me:{SECRET}@a:7000,[::1]:7001", ClusterServers,
         "cluster a:7000,[::1]:7001"),
        ("redis:///3", OneServer, "localhost:6379"),
        (f"redis://:{SECRET}@[::1]:7000", OneServer, "[::1]:7000"),
        ("unix:///run/redis%20dir/redis.sock", OneServer, "unix:/run/redis dir/redis.sock"),
        ("redis://host?client_name=ours&socket_keepalive=yes", OneServer, "host:6379"),
        ("rediss://host?ssl_check_hostname=no&ssl_cert_reqs=none", OneServer, "host:6379"),
    ],
)  # fmt: skip
def test_a_url_names_the_servers_without_its_secrets(url: str, kind: type, name: str) -> None:
    servers = servers_from_url(url)
    assert type(servers) is kind
    assert servers.name == name
    assert servers.sharded is (kind is ClusterServers)
    assert SECRET not in servers.name


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"http://:{SECRET}@host", "must begin with"),
        (f"redis:{SECRET}", "must begin with"),
        (f"redis+pigeon://:{SECRET}@host", "must begin with"),
        ("", "must begin with"),
        (f"redis://:{SECRET}@host:port", "percent-encoded"),
        (f"redis://:{SECRET}@host:99999", "percent-encoded"),
        (f"redis://me:{SECRET}/{SECRET}@host", "percent-encoded"),
        (f"redis://me:{SECRET}#{SECRET}@host", "percent-encoded"),
        (f"redis://me:{SECRET}?{SECRET}@host", "percent-encoded"),
        (f"redis+sentinel://me:{SECRET}/{SECRET}@a,b/books", "percent-encoded"),
        (f"redis+cluster://me:{SECRET}/{SECRET}@a:1,b", "percent-encoded"),
        (f"redis://me:{SECRET}℀@host", "percent-encoded"),
        (f"redis://:{SECRET}@host/zero", "database"),
        (f"redis://:{SECRET}@host?db=zero", "'db'"),
        (f"redis://:{SECRET}@host?socket_timeout=soon", "'socket_timeout'"),
        (f"redis://:{SECRET}@host?colour=red", "'colour'"),
        (f"redis://:{SECRET}@host?ssl_ca_certs=/ca.pem", "'ssl_ca_certs'"),
        (f"redis+sentinel://:{SECRET}@a/books?colour=red", "'colour'"),
        (f"redis+cluster://:{SECRET}@a?colour=red", "'colour'"),
        (f"redis+sentinel://:{SECRET}@a,b", "service"),
        (f"redis+sentinel://:{SECRET}@/books", "no host"),
        (f"redis+cluster://:{SECRET}@a,,b", "no host"),
        (f"redis+cluster://:{SECRET}@a/1", "database 0"),
        (f"redis+cluster://:{SECRET}@a?db=1", "database 0"),
        (f"redis+unix://:{SECRET}@/run/redis.sock", "must begin with"),
        (f"redis://me:1234?{SECRET}={SECRET}@host", "percent-encoded"),
        (f"redis://me:1234/{SECRET}@host", "percent-encoded"),
        (f"redis://:{SECRET}@host/0#{SECRET}", "percent-encoded"),
        (f"redis://:{SECRET}\t@host", "percent-encoded"),
        (f"redis://:{SECRET}%E4@host", "must be UTF-8"),
        (f"redis://:{SECRET}@host:0", "1 to 65535"),
        (f"redis://:{SECRET}@a,b", "several hosts"),
        (f"redis://:{SECRET}@host/0/1", "database must be a number"),
        (f"redis://:{SECRET}@host/1?db=2", "two databases"),
        (f"redis://:{SECRET}@host?db=1&db=2", "'db' is there twice"),
        (f"redis://:{SECRET}@host?db=", "'db' has no value"),
        (f"redis://:{SECRET}@host?socket_keepalive=maybe", "must be true or false"),
        (f"redis://:{SECRET}@host?sentinel_password={SECRET}", "'sentinel_password'"),
        (f"rediss://:{SECRET}@host?ssl_cert_reqs=perhaps", "perhaps"),
        (f"rediss://:{SECRET}@host?ssl_keyfile=node.key", "goes with 'ssl_certfile'"),
        (f"redis+sentinel://:{SECRET}@a/books/0/1", "database must be a number"),
        (f"unix://:{SECRET}@", "three slashes"),
        (f"unix://:{SECRET}@run/redis.sock", "three slashes"),
    ],
)
def test_a_wrong_url_is_refused_without_its_secrets(url: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        servers_from_url(url)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "option",
    [
        "protocol=3", "protocol=2", "decode_responses=True", "encoding=latin-1",
        "encoding_errors=ignore", "socket_timeout=30", "socket_connect_timeout=30", "timeout=5",
        "retry_on_timeout=True", "retry_on_error=x", "health_check_interval=30",
        "max_connections=5", "legacy_responses=False", "parser_class=x", "retry=3",
        "credential_provider=x", "single_connection_client=True", "socket_read_size=1",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "url", ["redis://host", "redis+sentinel://host/books", "redis+cluster://host"]
)
def test_an_option_that_decides_how_nodes_talk_to_redis_is_refused(url: str, option: str) -> None:
    name = option.partition("=")[0]
    with pytest.raises(ConfigurationError, match=f"the option '{name}' can't be set") as caught:
        servers_from_url(f"{url}?{option}")
    assert "\n" not in str(caught.value)


def options_of(url: str) -> dict[str, Any]:
    """Return the options of connections at a URL."""
    found: dict[str, Any] = servers_from_url(url)._options  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("hosts", ["redis://{}@a/3", "redis+sentinel://{}@a,b/my%20books/3"])
@pytest.mark.parametrize(
    ("login", "username", "password"),
    [
        ("m%C3%A9:p%40s%2Fs%3A%25%2B", "m\u00e9", "p@s/s:%+"),
        ("me:a+b", "me", "a+b"),
        ("me:100%", "me", "100%"),
        ("me:%2525", "me", "%25"),
        (":p:q", None, "p:q"),
        ("me", "me", None),
        ("ME:pA", "ME", "pA"),
    ],
)
def test_escapes_mean_the_same_in_each_kind_of_url(
    hosts: str, login: str, username: str | None, password: str | None
) -> None:
    options = options_of(hosts.format(login))
    assert (options.get("username"), options.get("password")) == (username, password)
    assert options["db"] == 3
    options = options_of(f"redis+cluster://{login}@a:7000,b")
    assert (options.get("username"), options.get("password")) == (username, password)


def test_sentinels_have_a_login_of_their_own() -> None:
    url = "redis+sentinel://a/books?sentinel_username=s%40&sentinel_password=a%2Bb+c%2525"
    servers = servers_from_url(url)
    assert isinstance(servers, SentinelServers)
    theirs = servers._sentinel_options
    assert (theirs["username"], theirs["password"]) == ("s@", "a+b+c%25")
    assert not {"username", "password"} & set(servers._options)


def test_the_service_of_sentinels_is_decoded() -> None:
    assert servers_from_url("redis+sentinel://a/my%20books").name == "sentinel a my books"


def test_the_login_the_database_and_the_options_are_used(redis_server: RedisProcess) -> None:
    client = redis_server.client()
    client.acl_setuser("me", enabled=True, passwords=["+p@s/s:"], commands=["+@all"], keys=["*"])
    url = f"redis://me:p%40s%2Fs%3A@127.0.0.1:{redis_server.port}/3?client_name=ours"
    servers = servers_from_url(url)
    try:
        assert servers.client.acl_whoami() == "me"
        servers.client.set("key", "value")
        assert client.info("keyspace")["db3"]["keys"] == 1
        assert servers.client.client_getname() == "ours"
    finally:
        servers.close()
        client.acl_deluser("me")
        client.close()


def test_a_port_and_a_host_are_enough(redis_server: RedisProcess) -> None:
    servers = servers_at("127.0.0.1", redis_server.port)
    assert servers.client.ping()
    assert servers.server_of(b"one") == servers.server_of(b"other")
    servers.close()
