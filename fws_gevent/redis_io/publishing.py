"""A message to publish: the call of the script, its deadline, and the meaning of the answer."""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

import redis
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MasterDownError,
    NoScriptError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import PublishFailed
from .keys import Keys
from .servers import RedisServers, ServerName

PASSING = (AskError, ClusterDownError, MasterDownError, ReadOnlyError, TryAgainError, NoScriptError)
"""Answers of a Redis in transition, worth another attempt. A MovedError is an AskError."""

LARGEST = 32 << 20
"""Bytes of one message. Redis disconnects listeners that have more to receive, and takes too long
to answer with larger ones. `publish.lua` has the same bound."""

_CLOCK_KEPT = 30.0  # seconds until the clock of Redis is asked again


class StreamTerms(NamedTuple):
    """The bounds of a stream, and of the time that Redis has for a message."""

    length: int = 10_000
    """Entries in one stream."""
    size: int = 16 << 20
    """Bytes in one stream, roughly: if messages are large, fewer are kept."""
    life: float = 3600.0
    """Seconds that a stream lives after its last entry."""
    deadline: float = 2.0
    """Seconds that Redis has to accept a message."""

    def length_for(self, size: int) -> int:
        """Return the number of entries to keep when one of `size` bytes is added."""
        return max(1, min(self.length, self.size // max(1, size)))

    @property
    def life_ms(self) -> int:
        """The milliseconds that a stream lives after its last entry."""
        return int(self.life * 1000)


class Publication:
    """A message, which is the same in each attempt. Its id ensures that it is published once."""

    __slots__ = ("_clock", "data", "deadline", "exclude", "group", "kind", "message_id", "nonce")

    def __init__(
        self,
        group: str | None,
        kind: bytes,
        data: bytes | bytearray,
        *,
        exclude: str = "",
        message_id: str | None = None,
        seconds: float,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._clock = clock
        self.group = group
        self.kind = kind
        self.data = data
        self.exclude = exclude
        self.nonce = secrets.token_hex(8)
        self.message_id = self.nonce if message_id is None else message_id
        self.deadline = clock.monotonic() + seconds

    @property
    def left(self) -> float:
        """The seconds until the deadline."""
        return self.deadline - self._clock.monotonic()

    def call(
        self, keys: Keys, terms: StreamTerms, command: str, latest: int
    ) -> tuple[list[bytes], list[Any]]:
        """Return keys and arguments of the script; `latest` is the deadline on Redis' clock."""
        return [keys.stream(self.group), keys.sent(self.group, self.message_id)], [
            self.kind, bytes(self.data), self.exclude, self.nonce, self.nonce,
            terms.length_for(len(self.data)), terms.life_ms, int(2000 * terms.deadline),
            latest, command,
        ]  # fmt: skip


class RedisClock:
    """Converts moments to the clock of Redis, where a command after its deadline does nothing."""

    def __init__(self, servers: RedisServers, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._servers = servers
        self._offsets: dict[
            ServerName, tuple[float, float]
        ] = {}  # with the time until which each is valid

    def forget(self) -> None:
        """Ask again at the next use, as another server may have taken over."""
        self._offsets.clear()

    def at(self, moment: float, key: bytes) -> int:
        """Return milliseconds since 1970 on Redis' clock at a moment of ours. Raises RedisError."""
        server = self._servers.server_of(key)
        offset, until = self._offsets.get(server, (0.0, 0.0))
        if self._clock.monotonic() >= until:
            seconds = self._servers.time(key)
            # After the answer: so a deadline may be too early in Redis, but never too late.
            now = self._clock.monotonic()
            offset = seconds - now
            self._offsets[server] = offset, now + _CLOCK_KEPT
        return int((moment + offset) * 1000)


def id_of(answer: Any) -> str:
    """Return the id of the entry from an answer of Redis, or raise the answer.

    PublishFailed is final. An error in PASSING, and a ConnectionError, are worth another attempt.
    """
    if isinstance(answer, bytes):
        return answer.decode()
    if isinstance(answer, PASSING):
        raise answer
    if isinstance(answer, ResponseError) and str(answer).startswith("LATE"):
        # If the deadline is not over here, a clock was set, and has to be asked again.
        raise redis.ConnectionError(str(answer))
    if isinstance(answer, ResponseError):
        raise PublishFailed(f"Redis refused the message: {answer}")
    raise redis.ConnectionError(f"no answer: {answer!r}")
