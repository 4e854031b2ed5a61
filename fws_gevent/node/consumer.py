"""The queue of the consumer chain, for events that come from outside the connections."""

from __future__ import annotations

from contextvars import Context
from typing import Any, NamedTuple

from gevent.queue import Empty, Full, Queue

from ..broker.base import heard_everywhere
from ..loop.reactor import Reactor
from ..loop.tasks import MUCH
from .events import Events

QUEUE_SIZE = 10_000
"""Events that may wait for the consumer chain; with more, `put` waits for room."""

_SLICE = 256


class _FromRedis(NamedTuple):
    data: Any


class ConsumerQueue:
    """Feeds the consumer chain of a server: `server.queue.put(data)`.

    `data` is a dict such as {"type": "message", "channel": "global", "data": "hello"}.
    """

    def __init__(self, reactor: Reactor, events: Events) -> None:
        self.busy = False
        self.again = False
        self.descriptor = -1
        self.context = Context()
        self._reactor = reactor
        self._events = events
        self._items: Queue[Any] = Queue(QUEUE_SIZE)

    def put(self, data: Any, timeout: float | None = None) -> None:
        """Have the consumer chain run on `data`, after all earlier events.

        Args:
            data: The event, usually a dict.
            timeout: Seconds to wait at most while the queue is full; None waits without a limit.

        Raises:
            gevent.queue.Full: The queue was full for `timeout` seconds.
            NotServing: The server stopped while another thread was waiting.
        """
        reactor = self._reactor
        if reactor.elsewhere():
            reactor.run_here(self.put, data, timeout)
            return
        self._items.put(data, timeout=timeout)
        if reactor.started:
            reactor.schedule(self)

    def offer(self, data: Any) -> bool:
        """Have the chain run on an event that every node gets; return False without room."""
        try:
            self._items.put_nowait(_FromRedis(data))
        except Full:
            return False
        self._reactor.schedule(self)
        return True

    def run(self) -> None:
        """Run the chain on the waiting events, in a runner."""
        reactor, route = self._reactor, self._events.consumer_route
        for _ in range(_SLICE):
            try:
                data = self._items.get_nowait()
            except Empty:
                return
            everywhere = isinstance(data, _FromRedis)
            if everywhere:
                data = data.data
            if route.emit is not None:
                Context().run(self._tell, everywhere, data)
                if reactor.marked() or reactor.work > MUCH:
                    break
        self.again = True

    def _tell(self, everywhere: bool, data: Any) -> None:
        """Run the chain on one event, in a context of its own."""
        heard_everywhere.set(everywhere)
        self._events.emit_consumer(data)

    def abort(self) -> None:
        """Go on with the other events after one failed in the engine."""
        self.again = True
