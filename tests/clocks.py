"""Clocks that a test moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent

from fws_gevent.clock import Clock, Ticker


class ManualClock(Clock):
    """A clock that stands until it is advanced; a sleep advances it."""

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


class ShiftedClock(Clock):
    """The system's clock and some seconds more, for a whole node, whose clock must not stand."""

    __slots__ = ("_advanced", "_set", "_tickers")

    def __init__(self) -> None:
        self._advanced = self._set = 0.0
        self._tickers: list[ShiftedTicker] = []

    def monotonic(self) -> float:
        return super().monotonic() + self._advanced

    def wall(self) -> float:
        return super().wall() + self._advanced + self._set

    def ticker(self, loop: Any, seconds: float) -> Ticker:
        made = ShiftedTicker(super().ticker(loop, seconds), loop, seconds)
        self._tickers.append(made)
        return made

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass at once; deadlines that come meanwhile are met."""
        self._advanced += seconds
        for each in self._tickers:
            each.advance(seconds)

    def set(self, seconds: float) -> None:
        """Have the wall clock be `seconds` off, as if somebody had set it; no time passes."""
        self._set = seconds


class ShiftedTicker:
    """A timer that fires by itself, and as often as it would have when its clock is advanced."""

    def __init__(self, timer: Ticker, loop: Any, seconds: float) -> None:
        self._timer = timer
        self._loop = loop
        self._seconds = seconds
        self._callback: Callable[[], object] | None = None

    def start(self, callback: Callable[[], object]) -> None:
        self._callback = callback
        self._timer.start(callback)

    def stop(self) -> None:
        self._callback = None
        self._timer.stop()

    def close(self) -> None:
        self._timer.close()

    def advance(self, seconds: float) -> None:
        for _ in range(int(seconds / self._seconds)):
            if self._callback is not None:
                self._loop.run_callback(self._callback)
                gevent.sleep(0)  # in the hub, as ever
