"""Where Redis is, told by a URL: what it means, and that nothing secret of it is repeated."""

from __future__ import annotations

import pytest

from fws_gevent.cluster.servers import ClusterServers, OneServer, SentinelServers
from fws_gevent.cluster.urls import servers_at, servers_from_url
from fws_gevent.errors import ConfigurationError

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
    ],
)
def test_a_wrong_url_is_refused_without_its_secrets(url: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        servers_from_url(url)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


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
    assert servers.place_of(b"one") == servers.place_of(b"other")
    servers.close()
