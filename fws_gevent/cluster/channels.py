"""The channels of the consumer chain: each PUBLISH on them runs the chain once on every node."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import redis

from ..clock import SYSTEM_CLOCK, Clock
from ..logs.loggers import get_logger
from ..redis_io.servers import RedisServers
from .subscription import Subscription

_log = get_logger("redis")

_GLOB = re.compile(r"[*?\[\\]")


class Channels:
    """Subscribes to channels and patterns, and calls `put` once for each message.

    `put` must not block. It returns False if the queue is full.
    """

    def __init__(
        self,
        servers: RedisServers,
        names: Sequence[str],
        put: Callable[[dict[str, Any]], bool],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.dropped = 0
        self._put = put
        self._patterns = [(name.encode(), glob(name)) for name in names if _GLOB.search(name)]
        self._exact = {name.encode() for name in names if not _GLOB.search(name)}
        self.subscription = Subscription("channels", lambda: servers.connection(""), self, clock)
        for name in self._exact:
            self.subscription.subscribe(name)
        for name, _ in self._patterns:
            self.subscription.subscribe(name, "PSUBSCRIBE")

    def on_listening(self, channel: bytes) -> None:
        """Do nothing: earlier messages are not kept anywhere."""

    def on_ended(self, channel: bytes) -> None:
        """Have the connection replaced: the server ended a channel that it should not end."""
        raise redis.ConnectionError(f"the server ended the subscription to {channel!r}")

    def on_up(self, subscription: Subscription) -> None:
        """Log that messages of the time without a connection are lost."""
        if subscription.losses:
            _log.warning("channels: listening again; messages sent to them meanwhile are lost")

    def on_down(self, _subscription: Subscription) -> None:
        """Do nothing: the loss was logged."""

    def on_message(self, kind: bytes, message: list[bytes]) -> int:
        """Put a message, which comes once for each channel and pattern that matches it."""
        if kind == b"message":
            _, channel, data = message
            event: dict[str, Any] = {"type": "message", "pattern": None}
        elif kind == b"pmessage":
            _, pattern, channel, data = message
            if not self._is_first(pattern, channel):
                return 1
            event = {"type": "pmessage", "pattern": _text(pattern)}
        else:
            return 1
        if not self._put({**event, "channel": _text(channel), "data": _text(data)}):
            self.dropped += 1
            if self.dropped & (self.dropped - 1) == 0:  # the 1st, 2nd, 4th, 8th …
                _log.warning("channels: the consumer chain is too slow: %d messages dropped so far",
                             self.dropped)  # fmt: skip
        return 1

    def _is_first(self, pattern: bytes, channel: bytes) -> bool:
        """Return whether a message over a pattern is the first one of its PUBLISH."""
        if channel in self._exact:
            return False
        for name, fits in self._patterns:
            if fits.fullmatch(channel):
                return name == pattern
        return True


def glob(pattern: str) -> re.Pattern[bytes]:
    """Return a pattern of PSUBSCRIBE as a regular expression of bytes."""
    raw, parts, at = pattern.encode(), [], 0
    while at < len(raw):
        first, at = raw[at : at + 1], at + 1
        if first == b"*":
            parts.append(b".*")
        elif first == b"?":
            parts.append(b".")
        elif first == b"[":
            part, at = _one_of(raw, at)
            parts.append(part)
        else:
            if first == b"\\" and at < len(raw):
                first, at = raw[at : at + 1], at + 1
            parts.append(re.escape(first))
    return re.compile(b"".join(parts), re.DOTALL)


def _one_of(raw: bytes, at: int) -> tuple[bytes, int]:
    """Return the character class that begins after a bracket, and its end.

    It is read as `stringmatchlen` in util.c of Redis reads it.
    """
    negated = raw[at : at + 1] == b"^"
    at += negated
    chosen: set[int] = set()
    while at < len(raw) and raw[at] != ord("]"):
        if raw[at] == ord("\\") and at + 1 < len(raw):
            chosen.add(raw[at + 1])
            at += 2
        elif raw[at + 1 : at + 2] == b"-" and at + 2 < len(raw):
            low, high = sorted((raw[at], raw[at + 2]))
            chosen.update(range(low, high + 1))
            at += 3
        else:
            chosen.add(raw[at])
            at += 1
    if negated:
        chosen = set(range(256)) - chosen
    letters = b"".join(b"\\x%02x" % each for each in sorted(chosen))
    return (b"[" + letters + b"]" if letters else b"(?!)"), at + 1


def _text(raw: bytes) -> str | bytes:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw
