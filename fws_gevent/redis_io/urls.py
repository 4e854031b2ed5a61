"""Reads the URLs of Redis servers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import redis

from ..errors import ConfigurationError
from ..protocol.addresses import in_url
from .servers import CONNECTION, ClusterServers, OneServer, RedisServers, SentinelServers
from .url_options import OPTIONS, SENTINEL_OPTIONS, number

SENTINEL_PORT, REDIS_PORT = 26379, 6379

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def servers_at(host: str, port: int = REDIS_PORT) -> RedisServers:
    """Return the server at an address."""
    return OneServer(_shown(host, port), {"host": host, "port": port})


def servers_from_url(url: str) -> RedisServers:
    """Return the servers that a URL names.

    redis://, rediss:// (TLS) and unix:// are those of redis-py, with some of its options (see
    `url_options.OPTIONS`). redis+sentinel://host:26379,host:26379/service/0 asks Sentinels for the
    master, redis+cluster://host:6379,host:6379 is a Redis Cluster, and both may be rediss+. All
    parts may be percent-encoded UTF-8.

    Raises ConfigurationError, which does not repeat the URL: it may contain a password.
    """
    scheme, _, kind = url.partition("://")[0].partition("+")
    known = ("redis", "rediss") if kind else ("redis", "rediss", "unix")
    if kind not in ("", "sentinel", "cluster") or scheme not in known:
        raise ConfigurationError(
            "the Redis URL must begin with redis://, rediss://, unix://, redis+sentinel:// or "
            "redis+cluster://"
        )
    try:
        return _from_parts(_split(url), scheme, kind)
    except ValueError as error:
        raise ConfigurationError(f"the Redis URL is wrong: {error}") from None


def _from_parts(parts: SplitResult, scheme: str, kind: str) -> RedisServers:
    query = _query(parts.query)
    theirs = {
        SENTINEL_OPTIONS[name]: query.pop(name)
        for name in SENTINEL_OPTIONS
        if kind == "sentinel" and name in query
    }
    options = _options(query, secure=scheme == "rediss") | _login(parts)
    if scheme == "unix":
        return _at_socket(parts, options)
    hosts = parts.netloc.rpartition("@")[2]
    path = [_decoded(part) for part in parts.path.split("/") if part]
    service = path.pop(0) if kind == "sentinel" and path else None
    _set_database(options, path)
    if not kind:
        return _one_server(hosts, options, secure=scheme == "rediss")
    addresses = _addresses(hosts, SENTINEL_PORT if kind == "sentinel" else REDIS_PORT)
    if scheme == "rediss":
        options["ssl"] = True
    _check(options)
    if kind == "cluster":
        if options.pop("db", 0) != 0:
            raise ValueError("a Redis Cluster has database 0 alone")
        return ClusterServers(f"cluster {hosts}", addresses, options)
    if service is None:
        raise ValueError("it needs the service's name: redis+sentinel://host:26379/service")
    return SentinelServers(f"sentinel {hosts} {service}", addresses, service, options, theirs)


def _one_server(hosts: str, options: dict[str, Any], *, secure: bool) -> RedisServers:
    ((host, port),) = _addresses(hosts or "localhost", REDIS_PORT, at_most=1)
    options |= {"host": host, "port": port}
    if secure:
        options["connection_class"] = redis.SSLConnection
    _check(options)
    return OneServer(_shown(host, port), options)


def _at_socket(parts: SplitResult, options: dict[str, Any]) -> RedisServers:
    if parts.netloc.rpartition("@")[2] or parts.path in ("", "/"):
        raise ValueError("a socket file has three slashes: unix:///run/redis/redis.sock")
    path = _decoded(parts.path)
    options |= {"path": path, "connection_class": redis.UnixDomainSocketConnection}
    _check(options)
    return OneServer(f"unix:{path}", options)


def _split(url: str) -> SplitResult:
    """Return the parts of a URL. Raises ValueError, without a secret in its text."""
    # The error of urlsplit may quote a password that has special characters.
    wrong = ValueError(
        "its hosts and ports can't be told; in a password, special characters must be "
        "percent-encoded"
    )
    scheme, mark, rest = url.partition("://")
    netloc = re.split("[/?#]", rest, maxsplit=1)[0]
    try:
        # The hosts are split off: urlsplit accepts brackets only at the beginning of a single host.
        parts = urlsplit(scheme + mark + rest[len(netloc) :])._replace(netloc=netloc)
        login, _, hosts = netloc.rpartition("@")
        for each in (f"{login}@host", *hosts.split(",")):
            _ = urlsplit(f"//{each}").port
    except ValueError:
        raise wrong from None
    behind = parts.query if parts.scheme == "unix" else parts.path + parts.query
    cut_off = "@" not in parts.netloc and "@" in behind  # the rest of a password
    if cut_off or parts.fragment or _CONTROL.search(url):
        raise wrong
    return parts


def _login(parts: SplitResult) -> dict[str, str]:
    login = {"username": parts.username, "password": parts.password}
    return {name: _decoded(text) for name, text in login.items() if text}


def _query(text: str) -> dict[str, str]:
    """Return the options after the question mark; a plus is not a space (RFC 3986)."""
    found: dict[str, str] = {}
    for each in text.split("&") if text else ():
        name, _, value = each.partition("=")
        name = _decoded(name)
        if not value or name in found:
            why = "is there twice" if name in found else "has no value"
            raise ValueError(f"the option {name!r} {why}")
        found[name] = _decoded(value)
    return found


def _options(query: Mapping[str, str], *, secure: bool) -> dict[str, Any]:
    """Return the converted options for connections. Raises ValueError for others."""
    found = {}
    for name, text in query.items():
        convert = OPTIONS.get(name)
        if convert is None:
            known = ", ".join(each for each in OPTIONS if not each.startswith("ssl_"))
            raise ValueError(f"the option {name!r} can't be set; {known} and ssl_… can")
        if name.startswith("ssl_") and not secure:
            raise ValueError(f"the option {name!r} goes with rediss:// alone")
        try:
            found[name] = convert(text)
        except ValueError as error:
            raise ValueError(f"the option {name!r} {error}") from None
    if "ssl_keyfile" in found and "ssl_certfile" not in found:
        raise ValueError("the option 'ssl_keyfile' goes with 'ssl_certfile'")
    return found


def _set_database(options: dict[str, Any], path: list[str]) -> None:
    """Set the database from the rest of the path. Raises ValueError unless it is one number."""
    if not path:
        return
    try:
        (database,) = map(number, path)
    except ValueError:
        raise ValueError("the database must be a number") from None
    if options.setdefault("db", database) != database:
        raise ValueError("the path and the option 'db' name two databases")


def _check(options: Mapping[str, Any]) -> None:
    """Raise ValueError for options that make no connection. Nothing is connected here."""
    known = {**CONNECTION, **options}
    secure = known.pop("ssl", False)
    make = known.pop("connection_class", redis.SSLConnection if secure else redis.Connection)
    try:
        make(**known)
    except TypeError as error:
        name = re.search(r"argument '(\w+)'", str(error))
        raise ValueError(f"redis-py knows no option {name[1] if name else ''!r}") from None
    except redis.RedisError as error:
        raise ValueError(str(error)) from None


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("its percent-encoded characters must be UTF-8") from None


def _shown(host: str, port: int) -> str:
    return f"{in_url(host)}:{port}"


def _addresses(hosts: str, default_port: int, at_most: int | None = None) -> list[tuple[str, int]]:
    found = []
    for each in hosts.split(","):
        address = urlsplit(f"//{each}")
        if not address.hostname:
            raise ValueError("it names no host")
        port = default_port if address.port is None else address.port
        if not port:
            raise ValueError("a port is 1 to 65535")
        found.append((_decoded(address.hostname), port))
    if at_most is not None and len(found) > at_most:
        raise ValueError("several hosts are for redis+sentinel:// and redis+cluster://")
    return found
