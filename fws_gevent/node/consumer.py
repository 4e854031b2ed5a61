"""What comes from outside the connections, in order, for the consumer chain."""

from __future__ import annotations

from contextvars import Context
from typing import TYPE_CHECKING, Any, NamedTuple

from gevent.queue import Empty, Full, Queue

from ..broker.base import heard_everywhere
from ..loop.tasks import MUCH

if TYPE_CHECKING:
    from .node import Server

QUEUE_SIZE = 10_000
"""Events that may wait for the consumer chain; `put` waits for room beyond that."""

_SLICE = 256


class _FromRedis(NamedTuple):
    data: Any


class ConsumerQueue:
    """Feeds the consumer chain of a server: `server.queue.put(data)`.

    `data` is a dict such as {"type": "message", "channel": "global", "data": "hello"}.
    """

    def __init__(self, server: Server) -> None:
        self.busy = False
        self.again = False
        self.descriptor = -1
        self.context = Context()
        self._server = server
        self._items: Queue[Any] = Queue(QUEUE_SIZE)

    def put(self, data: Any, timeout: float | None = None) -> None:
        """Have the consumer chain run on `data`, after what was put before.

        Waits while the queue is full, for `timeout` seconds at most (gevent.queue.Full after
        that). From another thread it raises NotServing if the server stops meanwhile.
        """
        reactor = self._server.reactor
        if reactor.elsewhere():
            reactor.run_here(self.put, data, timeout)
            return
        self._items.put(data, timeout=timeout)
        if reactor.started:
            reactor.schedule(self)

    def offer(self, data: Any) -> bool:
        """Have the consumer chain run on what every node hears; False if the queue is full."""
        try:
            self._items.put_nowait(_FromRedis(data))
        except Full:
            return False
        self._server.reactor.schedule(self)
        return True

    def run(self) -> None:
        """Hand the chain what waits, in a runner."""
        server = self._server
        for _ in range(_SLICE):
            try:
                data = self._items.get_nowait()
            except Empty:
                return
            everywhere = isinstance(data, _FromRedis)
            if everywhere:
                data = data.data
            if server.consumer_route.emit is not None:
                Context().run(self._tell, everywhere, data)
                if server.reactor.marked() or server.reactor.work > MUCH:
                    break
        self.again = True

    def _tell(self, everywhere: bool, data: Any) -> None:
        """Hand the chain one event, in a context of its own."""
        heard_everywhere.set(everywhere)
        self._server.consumer_route.tell(self._server, data)

    def abort(self) -> None:
        """One event failed in the engine; the others go on."""
        self.again = True
