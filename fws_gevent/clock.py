"""The time: the only module that asks the system for it."""

from __future__ import annotations

import time


class Clock:
    """The system's clock, which a test replaces by one that it advances.

    It is handed down from the constructor of a node, of a `Tokens` or of a `Publisher` to all that
    they are made of. A wait for something outside, such as an answer or a thread, is bounded in
    real seconds whatever the clock says.
    """

    __slots__ = ()

    def monotonic(self) -> float:
        """Return the seconds since some moment, for durations; it never goes back."""
        return time.monotonic()

    def wall(self) -> float:
        """Return the seconds since 1970, for what others are told; it may be set."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        time.sleep(seconds)


SYSTEM_CLOCK = Clock()
