"""The events of a server: its chains, the buses that feed them, and what becomes of a failure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from time import time
from typing import Any

from .. import signals
from ..broker.base import Broker
from ..connection.closed import Closed
from ..connection.connection import Connection
from ..errors import FilterFailed, GroupNameInvalid, GroupRefused, StorageAway
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
from .connect_event import emit_connect
from .members import Membership
from .statistics import counted_as

_log = get_logger("server")

BUSES: tuple[tuple[str, signals.Bus, type[FilterBase]], ...] = (
    ("connect", signals.client_connected, WebSocketConnectFilter),
    ("data", signals.data_received, WebSocketDataFilter),
    ("message", signals.message_received, WebSocketMessageFilter),
    ("disconnect", signals.client_disconnected, WebSocketDisconnectFilter),
    ("consumer", signals.consumer_received, WebSocketConsumerFilter),
    ("gap", signals.gap, WebSocketGapFilter),
)


class Events(Membership):
    """The chains of a server, each subscribed to its bus.

    The filters are those defined by the time it starts, or `filters`; later ones don't join it.
    """

    def __init__(
        self,
        reactor: Reactor,
        filters: Sequence[type[FilterBase]] | None,
        broker: Broker | None = None,
    ) -> None:
        super().__init__(reactor, broker)
        self.chains: dict[str, Chain] = {}
        self.joined_route = signals.member_joined.route(self)
        self.left_route = signals.member_left.route(self)
        self.around_event: signals.Around | None = None
        """The context of all events but connect, made from the data; set before the start."""
        self.repeats = Repeats(_log)
        """Limits the log lines that clients can bring about."""
        self.around_connect: Callable[[dict[str, Any]], AbstractContextManager[Any]] = nullcontext
        """What connect filters run in, made from the WSGI environ: a Flask request context."""
        self.losses: Counter[str] = Counter(slow=0, keepalive=0)
        """Connections that were given up, by reason."""
        self.closes: Counter[int] = Counter()
        """Connections that ended, by close code as `counted_as` has it."""
        self.recent_closes: deque[tuple[float, Closed]] = deque(maxlen=20)
        self._filters = defined_filters() if filters is None else filters

    def freeze_chains(self) -> None:
        """Take the filters that there are now; later ones don't join."""
        for name, _, base in BUSES:
            links = [link for link in self._filters if issubclass(link, base)]
            self.chains[name] = Chain(
                links, self.reactor.offload, self._rescue, FITS.get(name, any_value)
            )

    def subscribe(self) -> None:
        """Freeze the chains and subscribe them to their buses."""
        self.freeze_chains()
        routes = [self._subscribe(name, bus) for name, bus, _ in BUSES]
        self.connect_route, self.data_route, self.message_bus = routes[:3]
        self.disconnect_route, self.consumer_route, self.gap_route = routes[3:]
        self._routes = [*routes, self.joined_route, self.left_route]
        self._surround(self._routes[1:])

    def unsubscribe(self) -> None:
        """Take the chains from their buses."""
        for name, bus, _ in BUSES:
            bus.disconnect(self.chains[name].receive)

    def emit_connect(self, connection: Connection, environ: dict[str, Any]) -> bool:
        """Emit the connect event; return False if the application's context failed to begin."""
        return emit_connect(self, connection, environ)

    def emit_disconnect(self, connection: Connection, closed: Closed) -> None:
        """Emit the disconnect event. What a filter raises ends in its chain."""
        if self.disconnect_route.emit is not None:
            self.disconnect_route.emit(self, connection, closed)

    def count_loss(self, kind: str) -> None:
        """Count a connection that was given up."""
        self.losses[kind] += 1

    def note_close(self, closed: Closed) -> None:
        """Count a close by its code, and keep it among the last ones."""
        self.closes[counted_as(closed.code)] += 1
        self.recent_closes.append((time(), closed))

    # What the broker tells.

    def hears_members(self, *, joined: bool) -> bool:
        """Return whether anybody listens to joins, or to leaves."""
        return (self.joined_route if joined else self.left_route).emit is not None

    def tell_member(self, member: Member, *, joined: bool) -> None:
        """Tell of a member that joined or left on another node."""
        (self.joined_route if joined else self.left_route).tell(self, member)

    def tell_gap(self, group: str | None, reason: str) -> None:
        """Tell that messages to a group are missing here."""
        self.gap_route.tell(self, {"group": group, "reason": reason})

    def on_fork(self) -> None:
        """In a forked child: have what a filter or a subscriber raises end the process."""
        for chain in self.chains.values():
            chain.forked = True
        for route in self._routes:
            route.forked = True

    def _subscribe(self, name: str, bus: signals.Bus) -> signals.Route:
        chain = self.chains[name]
        if chain.filters:
            bus.connect(chain.receive, sender=self, weak=False)
        return bus.route(self, chain.receive)

    def _surround(self, routes: Sequence[signals.Route]) -> None:
        """Have the receivers of these events called in an application's context, if there is one.

        Those of the connect event have the request's, see `connect_event`.
        """
        if self.around_event is not None:
            for route in routes:
                route.surround(self.around_event, self._application_failed)

    def _application_failed(self, instance: Any, error: BaseException) -> None:
        """Log that the application failed around an event, as in a teardown; end its connection."""
        if self.reactor.forked:
            raise error
        if self.repeats.due("application"):
            _log.error("the application failed around the filters of %s", instance, exc_info=error)
        self._rescue(instance, error)

    def _rescue(self, instance: Any, error: BaseException) -> None:
        """A filter raised and its chain stopped: what becomes of the connection."""
        if not isinstance(instance, Connection):
            return  # the consumer chain's events have none
        if isinstance(error, StorageAway | GroupRefused | GroupNameInvalid):
            instance.send(error.notice)
        else:
            code = FilterFailed.close_code
            assert code is not None
            instance.close(code, code.meaning)
