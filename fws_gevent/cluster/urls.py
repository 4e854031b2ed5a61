"""Where Redis is, told by a URL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

import redis
from redis.connection import parse_url

from ..errors import ConfigurationError
from .servers import CONNECTION, ClusterServers, OneServer, RedisServers, SentinelServers

SENTINEL_PORT, REDIS_PORT = 26379, 6379

_SENTINEL_OPTIONS = {"sentinel_username": "username", "sentinel_password": "password"}


def servers_at(host: str, port: int = REDIS_PORT) -> RedisServers:
    """One server by its address."""
    return OneServer(f"{host}:{port}", {"host": host, "port": port})


def servers_from_url(url: str) -> RedisServers:
    """The servers that a URL names.

    redis://, rediss:// (TLS) and unix:// are those of redis-py with its options, such as
    `ssl_ca_certs` and `ssl_certfile`; redis+sentinel://host:26379,host:26379/service/0 asks
    Sentinels for the master, redis+cluster://host:6379,host:6379 is a Redis Cluster, and both
    may be rediss+. Raises ConfigurationError, which doesn't repeat the URL: it may hold a password.
    """
    scheme, _, kind = url.partition("://")[0].partition("+")
    if kind not in ("", "sentinel", "cluster") or scheme not in ("redis", "rediss", "unix"):
        raise ConfigurationError(
            "the Redis URL must begin with redis://, rediss://, unix://, redis+sentinel:// or "
            "redis+cluster://"
        )
    try:
        return _from_parts(url, scheme, kind)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"the Redis URL is wrong: {error}") from None


def _from_parts(url: str, scheme: str, kind: str) -> RedisServers:
    parts = _split(url)
    if not kind:
        options = _options(url)
        return OneServer(_name_of(options), options)
    login, at, hosts = parts.netloc.rpartition("@")
    addresses = _addresses(hosts, SENTINEL_PORT if kind == "sentinel" else REDIS_PORT)
    name = f"{kind} {hosts}"
    query = dict(parse_qsl(parts.query))
    theirs = {ours: query.pop(name) for name, ours in _SENTINEL_OPTIONS.items() if name in query}
    path = [unquote(part) for part in parts.path.split("/") if part]
    service = path.pop(0) if kind == "sentinel" and path else None
    database = path.pop(0) if path else "0"
    plain = f"{scheme}://{login}{at}localhost/{database}?{urlencode(query)}"
    options = {key: value for key, value in _options(plain).items() if key != "host"}
    if options.pop("connection_class", None) is not None:
        options["ssl"] = True
    if kind == "cluster":
        if options.pop("db", 0) != 0:
            raise ValueError("a Redis Cluster has database 0 alone")
        return ClusterServers(name, addresses, options)
    if service is None:
        raise ValueError("it needs the service's name: redis+sentinel://host:26379/service")
    return SentinelServers(f"{name} {service}", addresses, service, options, theirs)


def _options(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme != "unix" and not re.fullmatch(r"/?\d*", parts.path):
        raise ValueError("the database must be a number")
    options = dict(parse_url(url))  # type: ignore[no-untyped-call]
    _check(options)
    return options


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        for each in parts.netloc.rpartition("@")[2].split(","):
            _ = urlsplit(f"//{each}").port
    except ValueError:
        # The error may quote a password, where that has a character with a meaning in URLs.
        raise ValueError(
            "its hosts and ports can't be told; in a password, special characters must be "
            "percent-encoded"
        ) from None
    return parts


def _check(options: Mapping[str, Any]) -> None:
    """Raises ValueError for what no connection can be made with; none is made."""
    known = {**CONNECTION, **options}
    make = known.pop("connection_class", redis.Connection)
    try:
        make(**known)
    except TypeError as error:
        name = re.search(r"argument '(\w+)'", str(error))
        raise ValueError(f"no option {name[1] if name else ''!r} is known") from None
    except redis.RedisError as error:
        raise ValueError(str(error)) from None


def _name_of(options: Mapping[str, Any]) -> str:
    if "path" in options:
        return f"unix:{options['path']}"
    return f"{options.get('host', 'localhost')}:{options.get('port', REDIS_PORT)}"


def _addresses(hosts: str, default_port: int) -> list[tuple[str, int]]:
    found = []
    for each in hosts.split(","):
        address = urlsplit(f"//{each}")
        if not address.hostname:
            raise ValueError("it names no host")
        found.append((address.hostname, address.port or default_port))
    return found
