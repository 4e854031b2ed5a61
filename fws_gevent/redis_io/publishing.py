"""A message on its way into a stream: the call of the script, and what its answer means."""

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
"""Answers of a Redis that is about to change, an AskError being a MovedError too: try again."""

LARGEST = 32 << 20
"""Bytes of one message: Redis cuts off those who listen when one has more to be sent, and needs so
long for larger ones that no answer with them comes in time. `publish.lua` has it too."""

_CLOCK_KEPT = 30.0  # seconds after which the clock of Redis is compared again


class StreamTerms(NamedTuple):
    """How a stream is kept, and how long Redis may take for a message."""

    length: int = 10_000
    """Entries of one stream."""
    size: int = 16 << 20
    """Bytes of one stream, roughly: where messages are large, fewer are kept."""
    life: float = 3600.0
    """Seconds after its last entry."""
    deadline: float = 2.0
    """Seconds for Redis to take a message."""

    def length_for(self, size: int) -> int:
        """The entries that a stream keeps when one of `size` bytes comes in."""
        return max(1, min(self.length, self.size // max(1, size)))

    @property
    def life_ms(self) -> int:
        """Milliseconds that a stream lives after its last entry."""
        return int(self.life * 1000)


class Publication:
    """One message, the same in each attempt: its id makes that it is published once."""

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
        """Seconds until its deadline."""
        return self.deadline - self._clock.monotonic()

    def call(
        self, keys: Keys, terms: StreamTerms, command: str, latest: int
    ) -> tuple[list[bytes], list[Any]]:
        """The keys and arguments of the script; `latest` is the deadline on the clock of Redis."""
        return [keys.stream(self.group), keys.sent(self.group, self.message_id)], [
            self.kind, bytes(self.data), self.exclude, self.nonce, self.nonce,
            terms.length_for(len(self.data)), terms.life_ms, int(2000 * terms.deadline),
            latest, command,
        ]  # fmt: skip


class RedisClock:
    """What the clock of Redis says at a moment of ours: a late command must do nothing there."""

    def __init__(self, servers: RedisServers, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._servers = servers
        self._offsets: dict[ServerName, tuple[float, float]] = {}  # with the end of each

    def forget(self) -> None:
        """Another server may answer from now on."""
        self._offsets.clear()

    def at(self, moment: float, key: bytes) -> int:
        """Milliseconds since 1970 there at `moment` of our clock. Raises RedisError."""
        server = self._servers.server_of(key)
        offset, until = self._offsets.get(server, (0.0, 0.0))
        if self._clock.monotonic() >= until:
            seconds = self._servers.time(key)
            # However long the answer took: a deadline may be too early there, but never too late.
            now = self._clock.monotonic()
            offset = seconds - now
            self._offsets[server] = offset, now + _CLOCK_KEPT
        return int((moment + offset) * 1000)


def id_of(answer: Any) -> str:
    """The entry's id that Redis answered with. Raises what it answered otherwise.

    PublishFailed is final; anything in PASSING, and a ConnectionError, is worth another attempt.
    """
    if isinstance(answer, bytes):
        return answer.decode()
    if isinstance(answer, PASSING):
        raise answer
    if isinstance(answer, ResponseError) and str(answer).startswith("LATE"):
        # Unless the time is over here too, a clock was set: it has to be asked again.
        raise redis.ConnectionError(str(answer))
    if isinstance(answer, ResponseError):
        raise PublishFailed(f"Redis refused the message: {answer}")
    raise redis.ConnectionError(f"no answer: {answer!r}")
