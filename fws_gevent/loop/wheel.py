"""All deadlines of a node on one timer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from ..clock import SYSTEM_CLOCK, Clock
from ..settings import Settings
from .supervision import Failures

FINEST = 0.001
"""Seconds in a tick at least, however short a time-out is, so that the loop can do other work."""


class Timed(Protocol):
    """An object with one deadline at a time: `due`, a tick of its wheel, 0 without one."""

    due: int

    def on_due(self) -> None:
        """Act on the deadline. Runs in the hub; must neither block nor raise."""


RETRY = 1.0
"""Seconds until the next deadline of an item that raised."""

SLICE = 64
"""Deadlines that are handled at once, until others have their turn."""


class Wheel:
    """Deadlines in buckets, one for each tick of `resolution` seconds.

    Time is counted in ticks, not read from a clock. The timer that calls `tick` fires once after
    the loop was blocked, however long that was, so that blocked time ends no connection. Deadlines
    above SLICE at one tick are handled in portions, by functions that are handed to `later`.
    """

    def __init__(
        self,
        resolution: float,
        later: Callable[[Callable[[], None]], object],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.resolution = resolution
        self.now = 1
        self.failures = Failures("deadlines", clock)
        self._later = later
        self._buckets: dict[int, set[Timed]] = {}
        self._overdue: deque[Timed] = deque()

    def ticks(self, seconds: float) -> int:
        """Return the ticks in `seconds`, rounded up, at least one."""
        return max(1, -int(-seconds // self.resolution))

    def schedule(self, item: Timed, ticks: int) -> None:
        """Set the deadline of `item` in `ticks` from now, in place of an earlier one."""
        self.cancel(item)
        item.due = self.now + ticks
        self._buckets.setdefault(item.due, set()).add(item)

    def cancel(self, item: Timed) -> None:
        """Remove the deadline of `item`."""
        bucket = self._buckets.get(item.due)
        if bucket is not None:
            bucket.discard(item)
        item.due = 0

    def tick(self, *_: Any) -> None:
        """Let one tick pass, and handle the deadlines at it."""
        self.now += 1
        waits = bool(self._overdue)
        self._overdue.extend(self._buckets.pop(self.now, ()))
        if not waits:
            self._tell()

    def _tell(self) -> None:
        """Handle the next deadlines that are overdue."""
        overdue = self._overdue
        for _ in range(min(SLICE, len(overdue))):
            item = overdue.popleft()
            if 0 < item.due <= self.now:  # else it was cancelled or set anew meanwhile
                item.due = 0
                try:
                    item.on_due()
                except Exception as error:  # noqa: BLE001 - the others go on
                    self.failures.add(error)
                    if not item.due:
                        self.schedule(item, self.ticks(RETRY))
        if overdue:
            self._later(self._tell)

    def __len__(self) -> int:
        """Return the number of deadlines that are set."""
        waiting = sum(0 < item.due <= self.now for item in self._overdue)
        return waiting + sum(map(len, self._buckets.values()))


def resolution_for(settings: Settings) -> float:
    """Return the seconds in a tick: one, or less if a time-out is short; `FINEST` at least."""
    times = (settings.ping_interval, settings.ping_timeout, settings.max_queue_time)
    wanted = min((each / 4 for each in (*times, settings.close_timeout) if each), default=1.0)
    return min(1.0, max(FINEST, wanted))
