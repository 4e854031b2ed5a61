"""The events of a node: its chains, the buses that feed them, and what follows from a failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from .. import signals
from ..connection.closed import Closed
from ..connection.connection import Connection
from ..errors import CloseCode, FilterFailed, GroupNameInvalid, GroupRefused, StorageAway
from ..filters.base import (
    FilterBase,
    WebSocketConnectFilter,
    WebSocketConsumerFilter,
    WebSocketDataFilter,
    WebSocketDisconnectFilter,
    WebSocketGapFilter,
    WebSocketMessageFilter,
)
from ..filters.chain import Chain
from ..filters.registry import defined_filters
from ..filters.results import FITS, any_value
from ..logs.loggers import Repeats, get_logger
from ..loop.reactor import Reactor
from ..signals import Member

_log = get_logger("server")
_filters_log = get_logger("filters")

BUSES: tuple[tuple[str, signals.Bus, type[FilterBase]], ...] = (
    ("connect", signals.client_connected, WebSocketConnectFilter),
    ("data", signals.data_received, WebSocketDataFilter),
    ("message", signals.message_received, WebSocketMessageFilter),
    ("disconnect", signals.client_disconnected, WebSocketDisconnectFilter),
    ("consumer", signals.consumer_received, WebSocketConsumerFilter),
    ("gap", signals.gap, WebSocketGapFilter),
)

_APPLICATION_FAILED = "the application failed"


class Contexts(NamedTuple):
    """The application's contexts, in which filters and subscribers are called."""

    connect: Callable[[dict[str, Any]], AbstractContextManager[Any]] = nullcontext
    """Makes that of the connect event from its WSGI environ: a Flask request context."""
    event: signals.Around | None = None
    """Makes that of all other events from their data: a Flask application context."""


NO_CONTEXTS = Contexts()


class Events:
    """The chains of a node, each subscribed to its bus, and the routes of its events.

    `sender` is the node, which subscribers get first. The filters are those defined by the time it
    starts, or `filters`; later ones don't join it.
    """

    def __init__(
        self,
        sender: object,
        reactor: Reactor,
        repeats: Repeats,
        filters: Sequence[type[FilterBase]] | None,
        contexts: Contexts,
    ) -> None:
        self.chains: dict[str, Chain] = {}
        self.joined_route = signals.member_joined.route(sender)
        self.left_route = signals.member_left.route(sender)
        self._sender = sender
        self._reactor = reactor
        self._repeats = repeats
        self._filters = defined_filters() if filters is None else filters
        self._contexts = contexts
        self._routes = [self.joined_route, self.left_route]

    # Its life.

    def freeze_chains(self) -> None:
        """Take the filters that there are now; later ones don't join."""
        for name, _, base in BUSES:
            filters = [each for each in self._filters if issubclass(each, base)]
            self.chains[name] = Chain(
                filters, self._reactor.offload, self._rescue, FITS.get(name, any_value)
            )

    def start(self) -> None:
        """Freeze the chains and subscribe them to their buses."""
        self.freeze_chains()
        routes = [self._subscribe(name, bus) for name, bus, _ in BUSES]
        self.connect_route, self.data_route, self.message_route = routes[:3]
        self.disconnect_route, self.consumer_route, self.gap_route = routes[3:]
        self._routes = [*routes, self.joined_route, self.left_route]
        if self._contexts.event is not None:
            for route in self._routes[1:]:
                route.surround(self._contexts.event, self._application_failed)

    def _subscribe(self, name: str, bus: signals.Bus) -> signals.Route:
        chain = self.chains[name]
        if chain.filters:
            bus.connect(chain.receive, sender=self._sender, weak=False)
        return bus.route(self._sender, chain.receive)

    def stop(self) -> None:
        """Take the chains from their buses."""
        for name, bus, _ in BUSES:
            bus.disconnect(self.chains[name].receive)

    def on_fork(self) -> None:
        """In a forked child: have what a filter or a subscriber raises end the process."""
        for chain in self.chains.values():
            chain.forked = True
        for route in self._routes:
            route.forked = True

    # Events.

    def emit_connect(self, connection: Connection, environ: dict[str, Any]) -> bool:
        """Emit the connect event; return whether its context could be entered.

        An error of the context itself (in opening a session, or in a teardown function) is logged
        as the application's, and the connection closes with 1011. An error of a filter ends in
        its chain.
        """
        if self.connect_route.emit is None:
            return True
        entered = False
        try:
            with self._contexts.connect(environ):
                entered = True
                self.connect_route.emit(self._sender, connection, environ)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a stray gevent.Timeout is none of Exception
            if self._reactor.forked:
                raise
            if self._repeats.due("connect"):
                _filters_log.error(
                    "the application failed around the connect filters of %s",
                    connection,
                    exc_info=error,
                )
            connection.close(CloseCode.INTERNAL_ERROR, _APPLICATION_FAILED)
        return entered

    def emit_disconnect(self, connection: Connection, closed: Closed) -> None:
        """Emit the disconnect event."""
        if self.disconnect_route.emit is not None:
            self.disconnect_route.emit(self._sender, connection, closed)

    def emit_consumer(self, data: Any) -> None:
        """Emit the consumer event."""
        self.consumer_route.tell(self._sender, data)

    def emit_gap(self, group: str | None, reason: str) -> None:
        """Emit the event of messages that are missing here."""
        self.gap_route.tell(self._sender, {"group": group, "reason": reason})

    def hears_members(self, joined: bool) -> bool:
        """Return whether joins, or leaves, have subscribers."""
        return (self.joined_route if joined else self.left_route).emit is not None

    def emit_member(self, member: Member, joined: bool) -> None:
        """Emit the event of a member that joined a group, or left it."""
        (self.joined_route if joined else self.left_route).tell(self._sender, member)

    # Failures.

    def _application_failed(self, instance: Any, error: BaseException) -> None:
        """Log that the application failed around an event, and treat it as a filter's error."""
        if self._reactor.forked:
            raise error
        if self._repeats.due("application"):
            _log.error("the application failed around the filters of %s", instance, exc_info=error)
        self._rescue(instance, error)

    def _rescue(self, instance: Any, error: BaseException) -> None:
        """Tell or close a connection whose chain was stopped by a filter's error."""
        if not isinstance(instance, Connection):
            return  # the consumer chain's events have none
        if isinstance(error, StorageAway | GroupRefused | GroupNameInvalid):
            instance.send(error.notice)
        else:
            code = FilterFailed.close_code
            assert code is not None
            instance.close(code, code.meaning)
