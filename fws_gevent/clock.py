"""The clock of the package, the only module that asks the system for the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol


class Ticker(Protocol):
    """A timer of gevent's loop that fires again and again."""

    def start(self, callback: Callable[[], object]) -> None:
        """Call `callback` in the hub each time it fires."""

    def stop(self) -> None:
        """Call it no more."""

    def close(self) -> None:
        """Free the timer."""


class Clock:
    """The system's clock; a test replaces it by one that it advances.

    One object is handed down from the constructor of a node, of a `Tokens` or of a `Publisher` to
    each part that asks for the time. The deadlines of connections fire by `ticker`. A wait for an
    answer, a thread or a socket ends in real time, but a loop around it may end by this clock: that
    of a whole node must not stand.
    """

    __slots__ = ()

    def monotonic(self) -> float:
        """Return the seconds since some moment; they never go back."""
        return time.monotonic()

    def wall(self) -> float:
        """Return the seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        time.sleep(seconds)

    def ticker(self, loop: Any, seconds: float) -> Ticker:
        """Return a timer on gevent's `loop` that fires every `seconds`."""
        timer: Ticker = loop.timer(seconds, seconds)
        return timer


SYSTEM_CLOCK = Clock()
