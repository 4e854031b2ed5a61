"""Background tasks that go on after an exception, and report it."""

from __future__ import annotations

from collections.abc import Callable

import gevent

from ..clock import SYSTEM_CLOCK, Clock
from ..logs.loggers import get_logger

_log = get_logger("engine")

PAUSE = 1.0
"""Seconds until a task that raised runs again."""

ROW = 30.0
"""Seconds at most between two failures in a row."""

STUCK = 3
"""Failures in a row from which a task counts as failing, for ROW seconds after the last one."""


class Failures:
    """Counts the exceptions of a background task, and logs the first one of a row.

    `name` is its name in logs, /fws/readyz and metrics; `count` is the number of exceptions.
    """

    def __init__(self, name: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self.name = name
        self.count = 0
        self._in_a_row = 0
        self._last = 0.0
        self._logged = ""

    @property
    def failing(self) -> bool:
        """Return whether it fails repeatedly."""
        return self._in_a_row >= STUCK and self._clock.monotonic() - self._last < ROW

    def add(self, error: BaseException) -> None:
        """Count an exception; log it unless it is the same as the one before."""
        now = self._clock.monotonic()
        if now - self._last >= ROW:
            self._in_a_row, self._logged = 0, ""
        self._last = now
        self._in_a_row += 1
        self.count += 1
        what = f"{type(error).__name__}: {error}"
        if what != self._logged:
            self._logged = what
            _log.error("background task %s failed; going on", self.name, exc_info=error)


class Loop(Failures):
    """Runs `body` in a greenlet of its own, and again after each exception, until it returns."""

    def __init__(self, name: str, body: Callable[[], None], clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(name, clock)
        self._body = body
        self._told_to_end = False
        self._over = False
        self._greenlet: gevent.Greenlet[[], None] | None = None

    @property
    def failing(self) -> bool:
        """Return whether it fails repeatedly, or has ended though its body has not returned."""
        return (self.ended and not self._over) or super().failing

    @property
    def ended(self) -> bool:
        """Return whether it was started and has ended."""
        return self._greenlet is not None and self._greenlet.ready()

    def start(self) -> None:
        """Start the greenlet."""
        self._greenlet = gevent.spawn(self._run)

    def join(self, timeout: float) -> bool:
        """Wait for the body, which was told to return, for `timeout` seconds at most.

        It does not run again if it raises. Return whether it has ended.
        """
        self._told_to_end = True
        if self._greenlet is not None:
            self._greenlet.join(timeout)
        return self._greenlet is None or self.ended

    def _run(self) -> None:
        while True:
            try:
                self._body()
            except (Exception, gevent.Timeout) as error:  # noqa: BLE001 - the task goes on
                self.add(error)
            else:
                break
            if self._told_to_end:
                break
            gevent.sleep(PAUSE)
        self._over = True
