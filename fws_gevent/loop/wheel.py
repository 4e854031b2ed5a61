"""All deadlines of a server on one timer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from ..settings import Settings
from .supervision import Failures

FINEST = 0.001
"""Seconds in a tick at least, however short a time-out is: the loop has to do something else."""


class Timed(Protocol):
    """What has a deadline: one at a time, kept in `due`, a tick of its wheel (0 for none)."""

    due: int

    def on_due(self) -> None:
        """The deadline came. Runs in the hub: it must not block or raise."""


RETRY = 1.0
"""Seconds until a deadline whose item raised comes again."""

SLICE = 64
"""Deadlines that are told at once, before anything else has its turn."""


class Wheel:
    """Deadlines in buckets, a bucket for each tick of `resolution` seconds.

    Time is counted in ticks, not read from a clock: the timer that calls `tick` fires once
    after the loop was blocked, however long that was, so blocked time counts against nobody.
    Of more than SLICE deadlines at one tick, the others are told when `later`, the loop, calls the
    function that it is given.
    """

    def __init__(self, resolution: float, later: Callable[[Callable[[], None]], object]) -> None:
        self.resolution = resolution
        self.now = 1
        self.failures = Failures("deadlines")
        self._later = later
        self._buckets: dict[int, set[Timed]] = {}
        self._overdue: deque[Timed] = deque()

    def ticks(self, seconds: float) -> int:
        """The ticks that `seconds` take, rounded up; at least one."""
        return max(1, -int(-seconds // self.resolution))

    def schedule(self, item: Timed, ticks: int) -> None:
        """Set the deadline of `item` so many ticks from now, in place of the one it had."""
        self.cancel(item)
        item.due = self.now + ticks
        self._buckets.setdefault(item.due, set()).add(item)

    def cancel(self, item: Timed) -> None:
        """Take the deadline of `item` away."""
        bucket = self._buckets.get(item.due)
        if bucket is not None:
            bucket.discard(item)
        item.due = 0

    def tick(self, *_: Any) -> None:
        """Let one tick pass and tell everyone whose deadline it is."""
        self.now += 1
        waits = bool(self._overdue)
        self._overdue.extend(self._buckets.pop(self.now, ()))
        if not waits:
            self._tell()

    def _tell(self) -> None:
        """Tell the next ones that are overdue."""
        overdue = self._overdue
        for _ in range(min(SLICE, len(overdue))):
            item = overdue.popleft()
            if 0 < item.due <= self.now:  # else it was cancelled or put off meanwhile
                item.due = 0
                try:
                    item.on_due()
                except Exception as error:  # noqa: BLE001 - the others have theirs all the same
                    self.failures.add(error)
                    if not item.due:  # it is owed one still
                        self.schedule(item, self.ticks(RETRY))
        if overdue:
            self._later(self._tell)

    def __len__(self) -> int:
        """How many deadlines are set."""
        waiting = sum(0 < item.due <= self.now for item in self._overdue)
        return waiting + sum(map(len, self._buckets.values()))


def resolution_for(settings: Settings) -> float:
    """Seconds in a tick: one, or less where a time-out is set that short; `FINEST` at least."""
    times = (settings.ping_interval, settings.ping_timeout, settings.max_queue_time)
    wanted = min((each / 4 for each in (*times, settings.close_timeout) if each), default=1.0)
    return min(1.0, max(FINEST, wanted))
