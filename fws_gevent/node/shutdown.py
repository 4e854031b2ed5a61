"""The end of a node: all connections close, spread over time, and their ends are waited for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import gevent
from gevent.event import Event

from ..clock import Clock
from ..errors import CloseCode, ShuttingDown
from ..logs.loggers import get_logger
from ..loop.reactor import Reactor

_log = get_logger("server")

CLOSES_PER_SECOND = 500
"""Closes in a second, unless there are so many connections that `grace` would not do for all."""

_STEP = 0.01  # seconds; closes that are nearer to each other go together
_LAST = 1.0  # seconds for the events of connections that were cut off


class Closable(Protocol):
    """A connection, as far as closing it goes."""

    ending: bool
    """True once it has begun."""

    def close(self, code: int, reason: str) -> None:
        """Begin to close."""

    def give_up(self, code: CloseCode, reason: str) -> None:
        """End at once, without a Close."""


class Drained(Protocol):
    """An owner of connections."""

    @property
    def live(self) -> int:
        """The number of connections whose disconnect event is still to come."""

    def open_connections(self) -> Sequence[Closable]:
        """Return all connections that are open."""


class Shutdown:
    """The end of a node's connections: whether it has begun, and what they are closed with."""

    def __init__(self, reactor: Reactor, clock: Clock, close_spread: float) -> None:
        self.begun = False
        self.code = CloseCode.GOING_AWAY
        """The code that connections are closed with, also those that come during the drain."""
        self._reactor = reactor
        self._clock = clock
        self._close_spread = close_spread
        self._changed = Event()

    def check(self) -> None:
        """Raise ShuttingDown where nobody may connect any more.

        Before a restart everybody may: a connection that comes then is told to come back.
        """
        if self.begun and self.code is not CloseCode.SERVICE_RESTART:
            raise ShuttingDown

    def begin(self, code: CloseCode, grace: float) -> float:
        """Refuse connections from now on, or close them with `code`; return the deadline.

        That is `grace` seconds ahead, on the monotonic clock.
        """
        self.begun, self.code = True, code
        return self._clock.monotonic() + grace

    def reset(self) -> None:
        """Begin anew, for a node that is started once more."""
        self.begun, self.code = False, CloseCode.GOING_AWAY

    def note_end(self) -> None:
        """Note that a connection has ended, and its disconnect event was emitted."""
        self._changed.set()

    def close(self, owner: Drained, deadline: float) -> None:
        """Close all connections of `owner` with `code`, after what was sent to them.

        Returns when all disconnect events were emitted, or at the `deadline` (monotonic, in
        seconds), at which the connections that are left are cut off.
        """
        grace = max(0.0, deadline - self._clock.monotonic())
        connections = owner.open_connections()
        seconds = spread_of(len(connections), self._close_spread, grace)
        close_evenly(connections, seconds, self.code, self._clock)
        self._reactor.flush_all()  # everybody is told, also where nobody is waited for
        self._wait(owner, deadline)
        silent = owner.open_connections()
        for connection in silent:
            connection.give_up(self.code, "cut off")
        if silent:
            _log.warning(
                "%d connections didn't answer in %g s and were cut off",
                len(silent),
                round(grace, 2),
            )
            self._wait(owner, self._clock.monotonic() + _LAST)
        if owner.live:
            _log.warning("%d connections ended with a filter still at work", owner.live)

    def _wait(self, owner: Drained, deadline: float) -> None:
        """Wait until `owner` has no connection, also of those that came meanwhile."""
        while owner.live and (left := deadline - self._clock.monotonic()) > 0:
            self._changed.clear()
            self._changed.wait(left)


def spread_of(count: int, close_spread: float, grace: float) -> float:
    """Return the seconds over which to close `count` connections, of `grace` seconds in all.

    Half of the grace is left to the last ones, to send what they have queued and be answered.
    """
    return min(close_spread, grace / 2, count / CLOSES_PER_SECOND)


def close_evenly(
    connections: Sequence[Closable], seconds: float, code: CloseCode, clock: Clock
) -> None:
    """Begin to close all of `connections`, one after the other over `seconds`.

    Connections that end by themselves meanwhile take none of that time.
    """
    begun = clock.monotonic()
    for index, connection in enumerate(connections):
        if connection.ending:
            continue
        early = begun + seconds * index / len(connections) - clock.monotonic()
        if early >= _STEP:
            gevent.sleep(early)
        connection.close(code, code.meaning)
