"""The buses: one blinker signal for each event of a server.

Any code may subscribe. A receiver is called as `receiver(node, web_socket_instance=…, data=…)`.
`connect(receiver, sender=server)` subscribes to one server's node, `connect(receiver)` to all of
this process. If a receiver raises, the exception is logged, and the other receivers are called.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from inspect import iscoroutinefunction
from typing import Any, NamedTuple, Protocol, TypeVar

from blinker import ANY, Signal

from .logs.loggers import Repeats, get_logger

Around = Callable[[Any], AbstractContextManager[Any]]
"""Return a context manager for the receivers of an event, from the event's data."""

Failed = Callable[[Any, BaseException], None]

Receiver = Callable[..., Any]


class Subscriber(Protocol):
    """A function that is subscribed to a bus; methods and functions with `**kwargs` are, too."""

    def __call__(self, server: Any, /, *, web_socket_instance: Any, data: Any) -> Any:
        """Handle one event. The result is ignored."""


S = TypeVar("S", bound=Subscriber)

_log = get_logger("signals")


class Member(NamedTuple):
    """A connection in a group, on this node or another."""

    group: str
    id: str
    """The id of the connection."""
    subject: str | None
    """The subject of its token; None without a checked one."""
    node: str
    """The name of its node."""


class Bus(Signal):
    """A blinker signal that notifies its routes when its receivers change.

    Args:
        name: The name of the bus, for the log.
        doc: The docstring of the signal.
    """

    def __init__(self, name: str, doc: str) -> None:
        self.name = name
        self._muted = False
        self._routes: weakref.WeakSet[Route] = weakref.WeakSet()
        super().__init__(doc)

    @property
    def is_muted(self) -> bool:
        """Return whether the bus is muted (see blinker's `muted()`)."""
        return self._muted

    @is_muted.setter
    def is_muted(self, value: bool) -> None:
        self._muted = value
        self._changed()

    def connect(self, receiver: S, sender: Any = ANY, weak: bool = True) -> S:
        """Subscribe to the events of a server, or of all servers; also usable as a decorator.

        Args:
            receiver: Called as `receiver(node, web_socket_instance=…, data=…)`.
            sender: The server, or its node; all servers by default.
            weak: True if the subscription ends when the receiver is collected.

        Returns:
            The receiver.

        Raises:
            TypeError: The receiver is a coroutine function.
        """
        if iscoroutinefunction(receiver):
            raise TypeError(f"{receiver!r} is a coroutine function; a bus calls plain functions")
        super().connect(receiver, _node_of(sender), weak)
        self._changed()
        return receiver

    def disconnect(self, receiver: Receiver, sender: Any = ANY) -> None:
        """Unsubscribe.

        Args:
            receiver: The receiver, as it was passed to `connect`.
            sender: The server, as it was passed to `connect`.
        """
        super().disconnect(receiver, _node_of(sender))
        self._changed()

    def route(self, server: object, chain: Receiver | None = None) -> Route:
        """Return the route from a server to the receivers of this bus.

        Args:
            server: The sender of the events.
            chain: The receiver that runs the server's own chain.

        Returns:
            A route that follows later subscriptions.
        """
        route = Route(self, server, chain)
        self._routes.add(route)
        return route

    def _changed(self) -> None:
        for route in self._routes:
            route.refresh()


class Route:
    """The receivers of one server on one bus, resolved until the next subscription.

    `emit` is None without receivers, so that such an event costs one truth test. Otherwise
    `emit(server, web_socket_instance, data)` calls the receivers and returns the result of
    `chain`. If the chain is the only receiver, `emit` is the chain itself. blinker's own `send`
    takes 1.2 µs, and a route 0.1 µs.

    Args:
        bus: The bus.
        server: The sender of the events.
        chain: The receiver that runs the server's own chain.
    """

    def __init__(self, bus: Bus, server: object, chain: Receiver | None) -> None:
        self.emit: Receiver | None = None
        self.emitted = 0
        """The number of events with receivers other than the chain, which counts its own."""
        self.forked = False
        """True in a forked child, where exceptions are not caught."""
        self._bus = bus
        self._server = weakref.ref(server)
        self._chain = chain
        self._receivers: tuple[Receiver, ...] = ()
        self._told = Repeats(_log)
        self._surroundings: tuple[Around, Failed] | None = None
        self.refresh()

    def surround(self, around: Around, failed: Failed) -> None:
        """Call all receivers of an event inside of a context manager.

        Args:
            around: Called with the event's data, returns the context manager.
            failed: Called with the connection and an exception of the context manager.
        """
        self._surroundings = around, failed
        self.refresh()

    def tell(self, server: object, data: Any) -> None:
        """Emit an event of the server itself, if there are receivers.

        Args:
            server: The sender, which also stands for the connection.
            data: The event's data.
        """
        if self.emit is not None:
            self.emit(server, server, data)

    def refresh(self) -> None:
        """Resolve the receivers again."""
        self.emit = emit = self._resolve()
        if emit is not None and self._surroundings is not None:
            self.emit = _inside(emit, *self._surroundings)

    def _resolve(self) -> Receiver | None:
        bus, server = self._bus, self._server()
        if server is None or bus.is_muted or not bus.has_receivers_for(server):
            return None
        if any(isinstance(receiver, weakref.ref) for receiver in bus.receivers.values()):
            # No tuple may keep a weak receiver alive, so blinker is asked at each event.
            return self._emit_through_blinker
        self._receivers = tuple(bus.receivers_for(server))
        if not self._receivers:
            return None
        if self._receivers == (self._chain,):
            return self._chain  # a chain deals with what its filters raise by itself
        return self._emit_to_all

    def _emit_to_all(self, server: object, web_socket_instance: Any, data: Any) -> Any:
        return self._call(self._receivers, server, web_socket_instance, data)

    def _emit_through_blinker(self, server: object, web_socket_instance: Any, data: Any) -> Any:
        return self._call(tuple(self._bus.receivers_for(server)), server, web_socket_instance, data)

    def _call(
        self, receivers: tuple[Receiver, ...], server: object, web_socket_instance: Any, data: Any
    ) -> Any:
        self.emitted += 1
        result = None
        for receiver in receivers:
            try:
                answer = receiver(server, web_socket_instance=web_socket_instance, data=data)
            except KeyboardInterrupt:
                raise
            except BaseException:  # a stray gevent.Timeout is none of Exception
                if self.forked:
                    raise
                if self._told.due(id(receiver)):
                    _log.exception("bus %s: subscriber %r failed", self._bus.name, receiver)
            else:
                if receiver == self._chain:
                    result = answer
        return result


def _node_of(sender: Any) -> Any:
    """Return the node of a server, which sends its events; any other sender as it is."""
    return getattr(sender, "node", sender)


def _inside(emit: Receiver, around: Around, failed: Failed) -> Receiver:
    def emit_inside(server: object, web_socket_instance: Any, data: Any) -> Any:
        result = None
        try:
            with around(data):
                result = emit(server, web_socket_instance, data)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - receivers' errors end in the route
            failed(web_socket_instance, error)
        return result

    return emit_inside


client_connected = Bus("client_connected", "A connection opened; data: its WSGI environ.")
data_received = Bus("data_received", "Bytes arrived; data: the bytes.")
message_received = Bus("message_received", "A complete message arrived; data: a Message.")
client_disconnected = Bus("client_disconnected", "A connection ended; data: code and reason.")
consumer_received = Bus(
    "consumer_received", "An event of the consumer queue or a Redis channel; data: a dict."
)
member_joined = Bus("member_joined", "A connection joined a group; data: a Member.")
member_left = Bus("member_left", "A connection left a group; data: a Member.")
gap = Bus("gap", "Messages to a group are missing; data: a dict of group and reason.")
