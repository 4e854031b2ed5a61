"""A clock that only tests advance."""

from __future__ import annotations

from fws_gevent.clock import Clock


class ManualClock(Clock):
    """A clock that stands until it is advanced or set; `sleep` advances it."""

    __slots__ = ("now",)

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.now += seconds
