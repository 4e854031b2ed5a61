"""The deadlines of a connection: keep-alive, slow reading, and an unanswered Close."""

from __future__ import annotations

from typing import Any

from ..errors import CloseCode
from ..loop.reactor import Reactor
from ..loop.wheel import Wheel
from .timeouts import Timeouts
from .transport import Transport

CLOSE_PROGRESS = 16 * 1024
"""Bytes that a closing connection must read in each `close_timeout` to be waited for: a peer that
reads steadily gets all that was sent, and the wait has an end."""


class Watched(Transport):
    """A transport with deadlines, which share one place in the wheel: that of the next one."""

    __slots__ = ("_pinged", "_slow_at", "_unsent", "due", "heard", "timeouts", "wheel")

    def __init__(
        self, reactor: Reactor, socket: Any, secure: bool, wheel: Wheel, timeouts: Timeouts
    ) -> None:
        super().__init__(reactor, socket, secure)
        self.wheel = wheel
        self.timeouts = timeouts
        self.due = 0
        self.heard = wheel.now
        self._pinged = 0
        self._slow_at = 0
        self._unsent = 0  # of a closing connection: bytes when its deadline was set
        self._schedule()

    def on_due(self) -> None:
        """Find out which deadline came, act on it, and set the next one."""
        now = self.wheel.now
        if self.ending:
            self._await_end()
            return
        if self._slow_at and now >= self._slow_at:
            self.too_slow()
            return
        if self.busy:
            self.heard = now  # its filter works, and input is not read meanwhile
        if self._pinged and self.heard >= self._pinged:
            self._pinged = 0
        if self._pinged and now >= self._pinged + self.timeouts.ping_timeout:
            self.unanswered()
            return
        interval = self.timeouts.ping_interval
        silent = interval and not self._pinged and now >= self.heard + interval
        if silent:
            self._pinged = now
        self._schedule()
        if silent and not self.waiting:  # else the peer is alive if it reads
            self.ping()

    def expect_end(self) -> None:
        """Give the peer `close_timeout` from now, and more while it reads. Nothing more is sent."""
        self.ending = True
        self._slow_at = 0
        self._unsent = self.unsent()
        self.wheel.schedule(self, self.timeouts.close_timeout)

    def _await_end(self) -> None:
        """Wait again if the peer has read enough since the last deadline, else give it up."""
        before, self._unsent = self._unsent, self.unsent()
        read = before - self._unsent
        if read >= CLOSE_PROGRESS or (read > 0 and not self._unsent):
            self.wheel.schedule(self, self.timeouts.close_timeout)
        else:
            self.give_up(CloseCode.ABNORMAL, "the peer didn't answer the Close")

    def on_queued(self) -> None:
        """Check the bounds of the queue, as more waits now.

        Above `max_queue` the deadline of a slow reader begins; above `hard_queue` the connection is
        closed at once. A single chunk is always allowed, so that a message of any size fits.
        """
        timeouts = self.timeouts
        if self.ending or self.waiting is None or len(self.waiting) < 2:
            return
        if self.queued > timeouts.hard_queue:
            self.too_slow()
        elif self.queued > timeouts.max_queue and not self._slow_at:
            self._slow_at = self.wheel.now + timeouts.queue_timeout
            self._schedule()

    def on_written(self) -> None:
        """Note that the peer reads, as some waiting output has left."""
        self.heard = self.wheel.now
        if self._slow_at and self.queued <= self.timeouts.max_queue:
            self._slow_at = 0
            self._schedule()

    def _schedule(self) -> None:
        timeouts, deadlines = self.timeouts, []
        if self._slow_at:
            deadlines.append(self._slow_at)
        if self._pinged:
            deadlines.append(self._pinged + timeouts.ping_timeout)
            # The next Ping is due one interval after this one, later if the answer is late.
            silent = (self.wheel.now - self._pinged) // timeouts.ping_interval
            deadlines.append(self._pinged + (silent + 1) * timeouts.ping_interval)
        elif timeouts.ping_interval:
            deadlines.append(self.heard + timeouts.ping_interval)
        if deadlines:
            self.wheel.schedule(self, max(1, min(deadlines) - self.wheel.now))

    def ping(self) -> None:
        """Send a Ping (RFC 6455 §5.5.2)."""
        raise NotImplementedError

    def unanswered(self) -> None:
        """End, as the peer has not answered a Ping."""
        raise NotImplementedError

    def give_up(self, code: CloseCode, reason: str) -> None:
        """End without a Close, as the peer is gone."""
        raise NotImplementedError

    def too_slow(self) -> None:
        """Close the connection with 1013, as the peer reads too slowly."""
        raise NotImplementedError
