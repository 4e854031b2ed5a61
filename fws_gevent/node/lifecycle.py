"""The life of a node: what starts and stops with it, in which order."""

from __future__ import annotations

from typing import Any

from gevent import get_hub

from ..broker.base import Broker
from ..logs.printing import Printer
from ..loop.reactor import Reactor
from ..loop.wheel import Wheel
from .consumer import ConsumerQueue
from .events import Events
from .statistics import Statistics
from .watchdog import Watchdog


class Lifecycle:
    """Starts and stops the parts of a node, in the process and the thread that it serves in."""

    def __init__(
        self,
        events: Events,
        reactor: Reactor,
        wheel: Wheel,
        queue: ConsumerQueue,
        statistics: Statistics,
        broker: Broker,
        printer: Printer,
    ) -> None:
        self._events = events
        self._reactor = reactor
        self._wheel = wheel
        self._queue = queue
        self._statistics = statistics
        self._broker = broker
        self._printer = printer
        self._watchdog = Watchdog()
        self._ticker: Any = None

    def start(self) -> None:
        """Begin to serve; the chains are subscribed already. Waits for the broker, with a bound."""
        self._reactor.start()
        self._watchdog.start()
        clock, loop = self._reactor.clock, get_hub().loop
        self._ticker = clock.ticker(loop, self._wheel.resolution)
        self._ticker.start(self._wheel.tick)
        self._reactor.schedule(self._queue)
        self._statistics.start()
        self._broker.start()

    def stop(self) -> None:
        """Leave the broker and the buses, and free the watchers of the loop."""
        self._broker.stop()
        self._events.stop()
        self._watchdog.stop()
        self._ticker.stop()
        self._ticker.close()
        self._reactor.stop()
        self._printer.drain()
