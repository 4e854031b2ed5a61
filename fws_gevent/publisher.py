"""Publishing from any program: a worker, a script, an application without WebSockets."""

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

    `key` is the server's `redis_key`; `timeout` the seconds for Redis to take a message. One
    publisher may be shared by threads and by greenlets, and goes on in the child of a fork.
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
        """Send to a group, or to everybody: `str` as text, bytes as binary.

        Returns the id of the message in the group's stream: Redis has it. `message_id` names the
        message: published again under that name within twice the timeout, it is sent once.
        Raises PublishFailed if Redis didn't take it in time, TypeError for what can't be sent,
        GroupNameInvalid for a group that can't be one, ValueError for an empty `message_id`.
        """
        if message_id == "":  # all messages without one would be the same
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
        """Close a subject's connections, or the one with an id, on whatever node.

        Raises PublishFailed, TypeError unless one of the two is given, and GroupNameInvalid for
        a subject that can't be one.
        """
        self.send(self.disconnection(subject=subject, name=id, code=code, reason=reason))

    def close(self) -> None:
        """Close the connections to Redis."""
        self._servers.close()

    def publication(
        self, group: str | None, kind: bytes, data: bytes | bytearray, exclude: str = "",
        message_id: str | None = None,
    ) -> Publication:  # fmt: skip
        """Return a message with the deadline that it has from now on.

        Raises GroupNameInvalid, and PublishFailed for more than `LARGEST` bytes.
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
        """Return the message that has a subject's connections, or the one named, closed.

        Raises TypeError unless one of the two is given, as a text, GroupNameInvalid for a subject
        that can't be one, and what `check_close` raises.
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
        """Publish a message; returns its id. Raises PublishFailed."""
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
