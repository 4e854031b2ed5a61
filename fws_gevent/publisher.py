"""Publishes messages from any program: a worker, a script, an application without WebSockets."""

from __future__ import annotations

import json
from typing import Any

import redis

from .clock import SYSTEM_CLOCK, Clock
from .errors import PublishFailed
from .protocol.frames import TEXT, check_close
from .protocol.names import checked_group
from .protocol.payload import Data, convert
from .redis_io import entries
from .redis_io.backoff import Backoff
from .redis_io.keys import Keys
from .redis_io.publishing import LARGEST, PASSING, Publication, RedisClock, StreamTerms, id_of
from .redis_io.scripts import PUBLISH
from .redis_io.servers import RedisServers
from .redis_io.urls import servers_from_url
from .tokens.claims import group_of

__all__ = ["PUBLISH_SCRIPT", "Publisher"]

PUBLISH_SCRIPT = PUBLISH.text
"""The Lua script that publishes a message, for programs in other languages (docs/redis_keys.md)."""


class Publisher:
    """Sends messages to the clients of all nodes, over Redis and without gevent.

        from fws_gevent import Publisher

        publisher = Publisher("redis://127.0.0.1:6379/0")
        publisher.publish("lunch is ready", group="kitchen")

    Threads and greenlets may share a publisher. It works in a forked child, too.

    Args:
        url: The URL of Redis, as for the setting `redis_url`; or servers that share connections.
        key: The prefix of the server's keys, its setting `redis_key`.
        timeout: The seconds within which Redis must accept a message.
        terms: The length and lifetime of streams; those of the server's default settings.
        clock: The source of the time.

    Raises:
        ConfigurationError: The URL is not one of Redis.
    """

    def __init__(
        self, url: str | RedisServers = "redis://127.0.0.1:6379/0", key: str = "fws",
        timeout: float = 2.0, terms: StreamTerms | None = None, clock: Clock = SYSTEM_CLOCK,
    ) -> None:  # fmt: skip
        self._servers = servers_from_url(url) if isinstance(url, str) else url
        self._keys = Keys(key)
        self._terms = (terms or StreamTerms())._replace(deadline=timeout)
        self._clock = clock
        self._redis_clock = RedisClock(self._servers, clock)

    def publish(self, data: Data, group: str | None = None, message_id: str | None = None) -> str:
        """Send to a group, or to all connections.

        Args:
            data: A `str` is sent as text, bytes as binary.
            group: The group; None stands for all connections.
            message_id: A name of the message. If it is published again under that name within
                twice the timeout, it is sent once.

        Returns:
            The id of the message in the group's stream: Redis has the message.

        Raises:
            PublishFailed: Redis didn't accept the message in time.
            TypeError: Data of this type can't be sent.
            GroupNameInvalid: The group is not a valid name.
            ValueError: `message_id` is empty.
        """
        if message_id == "":  # all such messages would count as one
            raise ValueError("message_id is empty; without it, each message is sent")
        opcode, payload = convert(data)
        kind = entries.TEXT if opcode == TEXT else entries.BINARY
        return self.send(self.publication(group, kind, payload, message_id=message_id))

    def disconnect(
        self,
        *,
        subject: str | None = None,
        id: str | None = None,  # noqa: A002 - what a connection's name is called
        code: int = 1000,
        reason: str = "disconnected by the application",
    ) -> None:
        """Close the connections of a subject, or one connection, on all nodes.

        Args:
            subject: The subject whose connections are closed.
            id: The id of the connection that is closed.
            code: The close code.
            reason: The reason in the Close frame.

        Raises:
            PublishFailed: Redis didn't accept the order in time.
            TypeError: Not exactly one of `subject` and `id` is given, or of a wrong type.
            GroupNameInvalid: The subject is too long, or has control characters.
            ValueError: The code or the reason can't be sent (RFC 6455 §7.4).
        """
        self.send(self.disconnection(subject=subject, name=id, code=code, reason=reason))

    def close(self) -> None:
        """Close the connections to Redis."""
        self._servers.close()

    def publication(
        self, group: str | None, kind: bytes, data: bytes | bytearray, exclude: str = "",
        message_id: str | None = None,
    ) -> Publication:  # fmt: skip
        """Return a message whose deadline begins now.

        Args:
            group: The group; None stands for all connections.
            kind: The kind of the entry (see `redis_io.entries`).
            data: The content.
            exclude: The id of a connection that doesn't get the message.
            message_id: A name of the message, see `publish`.

        Returns:
            The message, to be sent with `send`.

        Raises:
            GroupNameInvalid: The group is not a valid name.
            PublishFailed: The message has more than `LARGEST` bytes.
        """
        if len(data) > LARGEST:
            raise PublishFailed(f"a message has {LARGEST} bytes at most, not {len(data)}")
        name = None if group is None else checked_group(group)
        return Publication(
            name,
            kind,
            data,
            exclude=exclude,
            message_id=message_id,
            seconds=self._terms.deadline,
            clock=self._clock,
        )

    def disconnection(
        self,
        *,
        subject: str | None,
        name: str | None,
        code: int,
        reason: str,
    ) -> Publication:
        """Return the message that closes the connections of a subject, or one connection.

        Args:
            subject: The subject.
            name: The id of the connection.
            code: The close code.
            reason: The reason in the Close frame.

        Returns:
            The message, to be sent with `send`.

        Raises:
            TypeError: Not exactly one of `subject` and `name` is given, or of a wrong type.
            GroupNameInvalid: The subject is too long, or has control characters.
            ValueError: The code or the reason can't be sent (RFC 6455 §7.4).
        """
        if (subject is None) == (name is None):
            raise TypeError("disconnect() needs a subject or an id")
        if not (name is None or isinstance(name, str)):
            raise TypeError(f"the id of a connection is a str, not {type(name).__name__}")
        check_close(code, reason)
        order = {"id": name, "code": int(code), "reason": reason}
        group = None if subject is None else group_of(subject)
        return self.publication(group, entries.DISCONNECT, json.dumps(order).encode())

    def send(self, publication: Publication) -> str:
        """Publish a message.

        Args:
            publication: A message from `publication` or `disconnection`.

        Returns:
            The id of the message in the group's stream.

        Raises:
            PublishFailed: Redis didn't accept the message before its deadline.
        """
        backoff, why = Backoff(), "no time"
        while publication.left > 0:
            try:
                return id_of(self._call(publication))
            except PASSING as error:
                why = str(error)
            except redis.RedisError as error:
                why = str(error)
                self._redis_clock.forget()
            self._clock.sleep(min(backoff.seconds(), max(0.0, publication.left)))
        raise PublishFailed(f"Redis took no message for {self._terms.deadline:g} s: {why}")

    def _call(self, publication: Publication) -> Any:
        latest = self._redis_clock.at(publication.deadline, self._keys.stream(publication.group))
        keys, args = publication.call(
            self._keys, self._terms, self._servers.publish_command, latest
        )
        client = self._servers.client
        try:
            return client.evalsha(PUBLISH.sha, len(keys), *keys, *args)
        except redis.exceptions.NoScriptError:
            return client.eval(PUBLISH.text, len(keys), *keys, *args)
        except redis.ResponseError as error:
            return error
