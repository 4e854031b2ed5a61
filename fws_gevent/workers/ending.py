"""The end of a gunicorn worker: connections, requests and nodes end within graceful_timeout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent

from ..clock import SYSTEM_CLOCK, Clock
from ..upgrade.contract import WorkerNode

# Parts of graceful_timeout (then the master kills the worker): for Close handshakes, and for all.
_CLOSING, _ENDING = 0.8, 0.95
# Seconds, and the part of graceful_timeout, for the request of a connection accepted at the end.
_HEARING, _HEARING_PART = 3.0, 0.2
_LOOK = 0.01  # seconds


class WorkerEnd:
    """The end of a worker, which begins with this; `graceful_timeout` is gunicorn's, in seconds.

    `notify` is called once a second at least while something is waited for.
    """

    def __init__(
        self, graceful_timeout: float, notify: Callable[[], None], clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._clock = clock
        begun = clock.monotonic()
        self._notify = notify
        self._heard_until = begun + min(_HEARING, _HEARING_PART * graceful_timeout)
        self._closed_until = begun + _CLOSING * graceful_timeout
        self._deadline = begun + _ENDING * graceful_timeout
        self._endings: list[gevent.Greenlet[..., Any]] = []

    def hear(self, somebody_new: Callable[[], object]) -> None:
        """Wait for the requests of connections that were accepted just before the end.

        They can't know of the end. From then on the nodes drain, and refuse upgrades.
        """
        gevent.sleep(_LOOK)  # the greenlets of accepted connections have begun by then
        while self._clock.monotonic() < self._heard_until and somebody_new():
            gevent.sleep(_LOOK)

    def finish(self, node: WorkerNode) -> None:
        """Begin to close a node's connections."""
        self.await_(node.finish, max(0.0, self._closed_until - self._clock.monotonic()))

    def await_(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function that ends something, and have `wait` wait for it."""
        self._endings.append(gevent.spawn(function, *arguments))

    def wait(self) -> bool:
        """Wait for all of it, until the deadline at most; return whether it has ended."""
        while left := [each for each in self._endings if not each.ready()]:
            seconds = self._deadline - self._clock.monotonic()
            if seconds <= 0:
                return False
            self._notify()
            gevent.joinall(left, timeout=min(1.0, seconds))
        return True
