"""The storage object in Redis: plain sets, which any language can read and write."""

from __future__ import annotations

from typing import Any

import redis

from ..errors import PublishFailed, StorageAway
from ..redis_io.keys import Keys
from ..redis_io.servers import RedisServers
from ..redis_io.urls import servers_at, servers_from_url
from .base import BaseStorageObject

Value = str | bytes | int | float
"""What can be a key, or a value in a set; they come back as texts, or bytes if they are none."""


class RedisStorageObject(BaseStorageObject):
    """Sets in Redis under the prefix `key`.

    A server that is built with one is a node among many: it reaches the others over the same
    Redis, with keys under the same prefix.

    Each method raises StorageAway if Redis doesn't answer, TypeError for what it can't keep.
    """

    shared = True

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 6379,
        key: str = "fws",
        servers: RedisServers | None = None,
    ) -> None:
        self.redis_servers = servers or servers_at(host, port)
        self.redis_keys = Keys(key)

    @classmethod
    def from_url(cls, url: str, key: str = "fws") -> RedisStorageObject:
        """The storage at a URL: redis://, rediss://, redis+sentinel://, redis+cluster://.

        Raises ConfigurationError.
        """
        return cls(key=key, servers=servers_from_url(url))

    def get(self, key: Value) -> set[str | bytes] | None:
        """The values under `key`, or None if there are none."""
        found = self._ask("SMEMBERS", self._name(key))
        return {_decoded(value) for value in found} or None

    def add(self, key: Value, value: Value) -> None:
        """Put `value` among those under `key`."""
        self._ask("SADD", self._name(key), _encoded(value))

    def remove(self, key: Value, value: Value) -> None:
        """Take `value` out from under `key`; nothing happens if it isn't there."""
        self._ask("SREM", self._name(key), _encoded(value))

    def publish(self, channel: str, data: str | bytes) -> None:
        """PUBLISH to a channel, for the consumer chains that have it. Raises PublishFailed.

        What is not to be lost goes through a server's `broadcast`.
        """
        try:
            self.redis_servers.client.publish(channel, data)
        except (redis.RedisError, OSError) as error:
            raise PublishFailed(f"Redis didn't take it: {error}") from None

    def close(self) -> None:
        """Close the connections for commands; they are made again when they are needed."""
        self.redis_servers.close()

    def _name(self, key: Value) -> bytes:
        return self.redis_keys.data(_encoded(key))

    def _ask(self, *command: Any) -> Any:
        try:
            return self.redis_servers.client.execute_command(*command)
        except (redis.RedisError, OSError) as error:
            raise StorageAway(f"Redis at {self.redis_servers.name}: {error}") from None

    def __str__(self) -> str:
        return f"Redis at {self.redis_servers.name}, keys {self.redis_keys.prefix}:…"


def _encoded(value: Value) -> bytes:
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(f"Redis keeps texts, bytes and numbers, not {type(value).__name__}")
    return str(value).encode("utf-8", "surrogatepass")


def _decoded(raw: bytes) -> str | bytes:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw
