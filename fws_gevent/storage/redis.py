"""The storage object in Redis: plain sets, which any language can read and write."""

from __future__ import annotations

from typing import Any

import redis

from ..errors import PublishFailed, StorageAway
from ..redis_io.keys import Keys
from ..redis_io.servers import RedisServers
from ..redis_io.urls import servers_at, servers_from_url
from .base import BaseStorageObject

LOCAL = "127.0.0.1"
"""The host of Redis where none is given, as by `options.redis_host` without its flag."""

Value = str | bytes | int | float
"""The types of keys and values; they are returned as texts, or as bytes if not UTF-8."""


class RedisStorageObject(BaseStorageObject):
    """Sets in Redis under the prefix `key`.

    A server that is built with one is a node among many: it reaches the others over the same
    Redis, with keys under the same prefix. `healthy` is always True, since this object keeps no
    connection that could be lost: `server.healthy` and `/fws/readyz` follow the node's own.

    Args:
        host: The host of Redis.
        port: The port of Redis.
        key: The prefix of all keys.
        servers: The servers of Redis, instead of host and port; see `from_url`.
    """

    shared = True

    def __init__(
        self,
        host: str | None = None,
        port: int = 6379,
        key: str = "fws",
        servers: RedisServers | None = None,
    ) -> None:
        self.redis_servers = servers or servers_at(host or LOCAL, port)
        self.redis_keys = Keys(key)

    @classmethod
    def from_url(cls, url: str, key: str = "fws") -> RedisStorageObject:
        """Return the storage at a URL.

        Args:
            url: A URL with the scheme redis, rediss, unix, redis+sentinel or redis+cluster.
            key: The prefix of all keys.

        Returns:
            The storage object.

        Raises:
            ConfigurationError: The URL is not valid.
        """
        return cls(key=key, servers=servers_from_url(url))

    def get(self, key: Value) -> set[str | bytes] | None:
        """Return the set under a key.

        Args:
            key: The key, without the prefix.

        Returns:
            The values, or None if there are none.

        Raises:
            StorageAway: Redis doesn't answer.
            TypeError: The key is not a text, bytes or a number.
        """
        found = self._ask("SMEMBERS", self._name(key))
        return {_decoded(value) for value in found} or None

    def add(self, key: Value, value: Value) -> None:
        """Add a value to the set under a key.

        Args:
            key: The key, without the prefix.
            value: The value.

        Raises:
            StorageAway: Redis doesn't answer.
            TypeError: The key or the value is not a text, bytes or a number.
        """
        self._ask("SADD", self._name(key), _encoded(value))

    def remove(self, key: Value, value: Value) -> None:
        """Remove a value from the set under a key, if it is there.

        Args:
            key: The key, without the prefix.
            value: The value.

        Raises:
            StorageAway: Redis doesn't answer.
            TypeError: The key or the value is not a text, bytes or a number.
        """
        self._ask("SREM", self._name(key), _encoded(value))

    def publish(self, channel: str, data: str | bytes) -> None:
        """Publish to a Redis channel, for the consumer chains that listen to it.

        Redis doesn't keep the message. Use `broadcast` for messages that must not be lost.

        Args:
            channel: The name of the channel, without the prefix.
            data: The message.

        Raises:
            PublishFailed: Redis didn't accept the message.
        """
        try:
            self.redis_servers.client.publish(channel, data)
        except (redis.RedisError, OSError) as error:
            raise PublishFailed(f"Redis didn't take it: {error}") from None

    def close(self) -> None:
        """Close the connections for commands; later commands open new ones."""
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
