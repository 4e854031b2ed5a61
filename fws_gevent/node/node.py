"""A node: the connections of one process, their groups, chains and storage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..broker.base import Broker
from ..broker.memory import MemoryBroker
from ..clock import SYSTEM_CLOCK, Clock
from ..connection.closed import Closed
from ..connection.connection import Connection
from ..connection.host import Emitter
from ..connection.timeouts import timeouts_of
from ..errors import CloseCode
from ..filters.base import FilterBase
from ..logs.loggers import Repeats, get_logger
from ..logs.printing import Printer
from ..loop.forks import tell_of_forks
from ..loop.reactor import Reactor
from ..loop.wheel import Wheel, resolution_for
from ..protocol.paths import unescaped
from ..protocol.payload import Data
from ..protocol.receiver import Limits
from ..settings import Settings
from ..signals import Member
from ..storage.base import BaseStorageObject
from ..storage.memory import MemoryStorageObject
from ..tokens import Tokens
from ..tokens.keys import KeyRing
from .admission import Admission
from .announcement import announce
from .broker_side import BrokerSide
from .consumer import ConsumerQueue
from .counters import Counters
from .descriptors import room_for
from .events import NO_CONTEXTS, Contexts, Events
from .forwarding import Forwarding
from .guard import guard_for
from .lifecycle import Lifecycle
from .limits import ConnectionLimits
from .members import Membership
from .message_rates import MessageRates
from .shutdown import Shutdown
from .side_node import SideNode
from .statistics import Statistics
from .token_filter import TokenFilter

_log = get_logger("server")


class Node:
    """One node: its connections, groups, chains and storage.

    It is the sender of its events on the buses, and consumer filters get it as
    `web_socket_instance`. It is the `Host` of its connections. `side_nodes` have connections on the
    same loop, each at a path of its own; the node's chains, groups and counters ignore them.

    Args:
        settings: The settings.
        storage_object: The storage that filters share; by default in memory.
        filters: The filters of its chains; by default those that are defined when it starts.
        tokens: The tokens; by default made from the settings.
        broker: The broker of messages to groups; by default that of a single node.
        contexts: The contexts of a Flask application around events.
        clock: The source of the time.
    """

    data_route: Emitter
    message_route: Emitter
    server: object  # the owner of this node; the node itself where it stands alone

    def __init__(
        self,
        settings: Settings,
        storage_object: BaseStorageObject | None = None,
        filters: Sequence[type[FilterBase]] | None = None,
        *,
        tokens: Tokens | None = None,
        broker: Broker | None = None,
        contexts: Contexts = NO_CONTEXTS,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.settings, self.clock, self.server = settings, clock, self
        self.storage_object = storage_object or MemoryStorageObject()
        self.tokens = tokens or Tokens(settings, KeyRing.from_settings(settings), clock=clock)
        self.broker = broker or MemoryBroker()
        self.print, self.counters = Printer(), Counters(clock)
        self.repeats = Repeats(_log, clock=clock)
        self.reactor = Reactor(settings.max_runners, settings.offload_threads, clock)
        self.wheel = Wheel(resolution_for(settings), self.reactor.later, clock)
        self.timeouts = timeouts_of(settings, self.wheel)
        self.limits = Limits(settings.max_message_size, settings.max_fragments)
        self.events = Events(self, self.reactor, self.repeats, filters, contexts)
        self.emit_connect = self.events.emit_connect
        self.membership = Membership(self.reactor, self.broker, self.events)
        self.users, self.groups = self.membership.users, self.membership.groups
        self.join, self.leave = self.membership.join, self.membership.leave
        self.queue = ConsumerQueue(self.reactor, self.events)
        self.message_rates = MessageRates(settings, clock)
        self.forwarding = Forwarding(settings, clock)
        self.side_nodes: dict[str, SideNode] = {}
        self.shutdown = Shutdown(self.reactor, clock, settings.close_spread)
        self.guard = guard_for(settings, self.tokens, self.users, self.reactor, self.wheel)
        limits = ConnectionLimits(settings, clock)
        self.admission = Admission(self, self.users, limits, self.shutdown, self.guard, settings)
        self.statistics = Statistics(
            clock, settings, self.reactor, self.wheel, limits, self.shutdown, self.counters,
            self.membership, self.events, self.tokens, self.storage_object, self.broker,
        )  # fmt: skip
        self._lifecycle = Lifecycle(
            self.events, self.reactor, self.wheel, self.queue, self.statistics, self.broker,
            self.print,
        )  # fmt: skip
        self._path = None if settings.path is None else unescaped(settings.path)
        self.broker.attach(BrokerSide(self.membership, self.events, self.queue, self.statistics))

    # Its life.

    def start(self) -> None:
        """Freeze the chains, subscribe them to their buses, and begin to serve.

        Waits a few seconds at most for a broker that does not answer.
        """
        tell_of_forks(self)
        self.events.start()
        self.data_route, self.message_route = self.events.data_route, self.events.message_route
        if self.guard is not None:
            self.message_route = TokenFilter(self.guard, self.admission, self.message_route)
        self.admission.limits.capacity = room_for(self.settings.max_connections)
        self.shutdown.reset()
        self._lifecycle.start()

    def drain(self, grace: float, code: CloseCode = CloseCode.GOING_AWAY) -> None:
        """Close all connections, after their pending messages, and leave the broker.

        Returns when all disconnect events were emitted.

        Args:
            grace: The seconds after which the rest is cut off.
            code: The close code.
        """
        deadline = self.shutdown.begin(code, grace)
        for owner in (self, *self.side_nodes.values()):
            self.shutdown.close(owner, deadline)
        self.broker.stop()

    def stop(self) -> None:
        """Leave the broker and the buses, and free the watchers of the loop."""
        self._lifecycle.stop()

    def on_fork(self) -> None:
        """In a forked child: serve nobody, and say nothing to anybody; that is the parent's."""
        for side in self.side_nodes.values():
            side.on_fork()
        self.users.clear()
        self.groups.clear()
        if self.guard is not None:
            self.guard.pending.clear()
        self.broker.on_fork()
        self.reactor.on_fork()
        self.events.on_fork()

    def announce(self) -> None:
        """Log the storage, the checks of tokens, and each chain's filters in order."""
        capacity, chains = self.admission.limits.capacity, self.events.chains
        announce(self.settings, self.storage_object, self.tokens, chains, capacity)

    @property
    def draining(self) -> bool:
        """Return whether it closes its connections, at its end."""
        return self.shutdown.begun

    @property
    def healthy(self) -> bool:
        """Return whether the storage can be used now, and the other nodes are heard."""
        return self.storage_object.healthy and self.broker.healthy

    # Its connections.

    @property
    def live(self) -> int:
        """The number of connections whose disconnect event is still to come."""
        return self.admission.limits.live

    @property
    def auth(self) -> bool:
        """Return whether tokens are checked here."""
        return self.guard is not None

    @property
    def pending(self) -> Sequence[Connection]:
        """The connections whose token is still to come; filters and buses know none of them."""
        return () if self.guard is None else tuple(self.guard.pending.values())

    def open_connections(self) -> Sequence[Connection]:
        """Return all connections that are open, pending ones included."""
        return (*self.users.values(), *self.pending)

    def admission_at(self, path: str) -> Admission | None:
        """Return the admission control of the WebSockets at a path, None where there are none."""
        side = self.side_nodes.get(path)
        if side is not None:
            return side.admission
        return self.admission if self._path in (None, path) else None

    def enter(self, connection: Connection) -> bool:
        """Have a connection join the group of its token; return whether its events may begin."""
        return self.admission.complete(connection)

    def allow(self, connection: Connection, size: int) -> bool:
        """Count a message of `size` bytes; return whether it is within the rates."""
        return self.message_rates.allow(connection, size)

    def count_loss(self, kind: str) -> None:
        """Count a connection that was given up."""
        self.counters.losses[kind] += 1

    def forget(self, connection: Connection, groups: Iterable[str]) -> None:
        """Send nothing more to a connection whose socket is closed; take it out of its groups."""
        self.users.pop(connection.id, None)
        if self.guard is not None:
            self.guard.forget(connection)
        for group in tuple(groups):  # a filter of its own may leave some meanwhile
            self.leave(group, connection)

    def gone(self, connection: Connection, closed: Closed, *, connected: bool) -> None:
        """Emit the disconnect event of a connection if its connect event was; count its end."""
        try:
            if connected:
                self.events.emit_disconnect(connection, closed)
        finally:
            self.counters.count_close(closed)
            self.admission.leave(connection, closed)

    # For filters and applications.

    def broadcast(
        self, data: Data, group: str | None = None, exclude: Connection | None = None
    ) -> None:
        """Send to all connections, or to a group's, on all nodes. Any thread may call it.

        With Redis it returns when Redis has the message. In the consumer chain, for an event that
        every node gets, it sends to this node's connections alone.

        Args:
            data: `str` is sent as text, bytes as binary, a `Message` as it came.
            group: The name of the group; None is everybody.
            exclude: A connection that doesn't get it.

        Raises:
            PublishFailed: The broker did not take it.
            TypeError: `data` can't be sent.
            GroupNameInvalid: `group` can't be the name of a group.
        """
        self.membership.broadcast(data, group, exclude)

    def broadcast_here(self, data: Data, group: str | None = None) -> None:
        """Send to the connections of this node only; see `broadcast`."""
        self.membership.broadcast_here(data, group)

    def members(self, group: str) -> list[Member]:
        """Return the members of a group on all nodes. Any thread may call it.

        Args:
            group: The name of the group.

        Raises:
            StorageAway: The other nodes' members are not known now.
            GroupNameInvalid: `group` can't be the name of a group.
        """
        return self.membership.members(group)

    def disconnect(
        self,
        *,
        subject: str | None = None,
        id: str | None = None,  # noqa: A002 - the name of a connection for filters
        code: int = CloseCode.NORMAL,
        reason: str = "disconnected by the application",
    ) -> int:
        """Close the connections of a subject, or the one with an id, on all nodes.

        A client whose token is still valid may come back. Any thread may call it.

        Args:
            subject: The subject of their tokens.
            id: The id of one connection; give it or `subject`.
            code: The close code.
            reason: The reason in the Close, cut to the 123 bytes that fit.

        Returns:
            The number of connections; one of another node with that `id` counts as none.

        Raises:
            TypeError: Not one of `subject` and `id` was given.
            PublishFailed: The other nodes can't be told.
            StorageAway: They were told, but the number is not known.
            GroupNameInvalid: `subject` can't be one.
        """
        return self.membership.disconnect(subject=subject, id=id, code=code, reason=reason)
