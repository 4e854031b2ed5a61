"""The server as filters, buses and applications see it; the doors to it are its subclasses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import monotonic, time
from typing import Any

from gevent import get_hub
from gevent.event import Event

from .. import signals
from ..broker.base import Broker
from ..connection.closed import Closed
from ..connection.connection import Connection
from ..connection.timeouts import timeouts_of
from ..connection.upgrade_context import PeerInfo, UpgradeContext
from ..errors import CloseCode, ConfigurationError, NoRoom, NotReady, StorageAway
from ..filters.base import FilterBase
from ..logs.loggers import get_logger
from ..logs.printing import Printer
from ..loop.forks import tell_of_forks
from ..loop.reactor import Reactor
from ..loop.supervision import Failures
from ..loop.wheel import Wheel, resolution_for
from ..protocol.handshake import Headers
from ..protocol.paths import unescaped
from ..protocol.receiver import Limits
from ..settings import Settings
from ..storage.base import BaseStorageObject
from ..storage.memory import MemoryStorageObject
from ..tokens import Claims, Tokens
from ..tokens.keys import KeyRing
from .access_log import log_close, log_open
from .admission import Admission
from .announcement import announce
from .closing import close_evenly, spread_of
from .consumer import ConsumerQueue
from .descriptors import room_for
from .events import Events
from .forwarding import Forwarding
from .guard import Gate, Guard
from .message_rates import MessageRates
from .statistics import Statistics
from .watchdog import Watchdog

_log = get_logger("server")


class Server(Events):
    """One node: its connections, groups, chains and storage.

    It is the sender of its events on the buses. Consumer filters get it as `web_socket_instance`.
    """

    def __init__(
        self,
        settings: Settings,
        storage_object: BaseStorageObject | None = None,
        filters: Sequence[type[FilterBase]] | None = None,
        tokens: Tokens | None = None,
        broker: Broker | None = None,
    ) -> None:
        super().__init__(Reactor(settings.max_runners, settings.offload_threads), filters, broker)
        self.settings = settings
        self.storage_object = storage_object or MemoryStorageObject()
        self.print = Printer()
        """Prints a line to standard output without waiting for its reader."""
        self.tokens = tokens or Tokens(settings, KeyRing.from_settings(settings))
        self.guard = None if settings.auth == "off" else self.make_guard()
        self.annexes: dict[str, Server] = {}
        """Servers for WebSockets at paths of their own, which this one's chains don't hear of."""
        self.started_at: float | None = None
        self.draining = False
        self.end_code = CloseCode.GOING_AWAY
        """What connections are closed with while it drains."""
        self.admission = Admission(settings)
        self.forwarding = Forwarding(settings)
        self.message_rates = MessageRates(settings)
        self.limits = Limits(settings.max_message_size, settings.max_fragments)
        self.wheel = Wheel(resolution_for(settings), self.reactor.later)
        self.timeouts = timeouts_of(settings, self.wheel)
        self.queue = ConsumerQueue(self)
        self.statistics = Statistics(self)
        self._watchdog = Watchdog()
        self._path = None if settings.path is None else unescaped(settings.path)
        self._empty = Event()
        self.broker.attach(self)

    # The life of a server.

    def start_engine(self) -> None:
        """Freeze the chains, subscribe them to their buses, and begin to serve."""
        tell_of_forks(self)
        self.subscribe()
        self.message_route: signals.Route | Gate = (
            self.message_bus if self.guard is None else self.guard.before(self.message_bus)
        )
        self.started_at = time()
        self.admission.capacity = room_for(self.settings.max_connections)
        self.reactor.start()
        self._watchdog.start()
        self._ticker = get_hub().loop.timer(self.wheel.resolution, self.wheel.resolution)
        self._ticker.start(self.wheel.tick)
        self.reactor.schedule(self.queue)
        self.statistics.start()
        self.broker.start()
        for annex in self.annexes.values():
            annex.start_engine()

    def on_fork(self) -> None:
        """In a forked child: serve nobody, and say nothing to anybody; that is the parent's."""
        for annex in self.annexes.values():
            annex.on_fork()
        self.users.clear()
        self.groups.clear()
        if self.guard is not None:
            self.guard.pending.clear()
        self.broker.on_fork()
        self.reactor.on_fork()
        super().on_fork()

    def drain(self, grace: float, code: CloseCode = CloseCode.GOING_AWAY) -> None:
        """Close every connection with `code` after what was sent, for `grace` seconds at most.

        The closes are spread as `close_spread` says. What is left at the end is cut off. Returns
        when all disconnect events were told, or the time is over.
        """
        self.draining, self.end_code = True, code
        deadline = monotonic() + grace
        open_ones = (*self.users.values(), *self.pending)
        seconds = spread_of(len(open_ones), self.settings.close_spread, grace)
        close_evenly(open_ones, seconds, code, code.meaning)
        self.reactor.flush_all()  # everybody is told, also where nobody is waited for
        self._wait_until_empty(deadline)
        mute = (*self.users.values(), *self.pending)
        for connection in mute:
            connection.give_up(code, "cut off")
        if mute:
            _log.warning("%d connections didn't answer in %g s and were cut off", len(mute), grace)
            self._wait_until_empty(monotonic() + 1)
        if self.live:
            _log.warning("%d connections ended with a filter still at work", self.live)
        for annex in self.annexes.values():
            annex.drain(max(0.0, deadline - monotonic()), code)
        self.broker.stop()

    def _wait_until_empty(self, deadline: float) -> None:
        # Again and again: when the last one went, another may have come, and was told to go.
        while self.live and (left := deadline - monotonic()) > 0:
            self._empty.clear()
            self._empty.wait(left)

    def stop_engine(self) -> None:
        """Leave the buses and free the watchers."""
        for annex in self.annexes.values():
            annex.stop_engine()
        self.broker.stop()
        self.unsubscribe()
        self._watchdog.stop()
        self._ticker.stop()
        self._ticker.close()
        self.reactor.stop()
        self.print.drain()

    @property
    def background(self) -> list[Failures]:
        """The tasks that run beside the connections."""
        here = self.reactor.failures, self.wheel.failures, self.statistics.failures
        return [*here, *self.broker.loops]

    @property
    def healthy(self) -> bool:
        """Return whether the storage can be used now, and the other nodes are heard."""
        return self.storage_object.healthy and self.broker.healthy

    def summary(self) -> dict[str, Any]:
        """Return what this node says of itself to the others."""
        return self.statistics.summary()

    def announce(self) -> None:
        """Log the storage, and each chain's filters in order."""
        announce(self)

    # Connections come and go.

    @property
    def live(self) -> int:
        """Connections whose disconnect event is still to come."""
        return self.admission.live

    @property
    def auth(self) -> bool:
        """Return whether tokens are checked here."""
        return self.guard is not None

    @property
    def pending(self) -> tuple[Connection, ...]:
        """The connections that must still bring a token; nobody else hears of them."""
        return () if self.guard is None else tuple(self.guard.pending.values())

    def make_guard(self) -> Guard:
        """What asks for tokens here."""
        return Guard(self, self.tokens)

    def node_at(self, path: str) -> Server | None:
        """The server of the WebSockets at a path: this one, an annex, or None."""
        annex = self.annexes.get(path)
        if annex is not None:
            return annex
        return self if self._path in (None, path) else None

    def authenticate(self, headers: Headers, query: str) -> Claims | None:
        """The claims of who asks for a WebSocket, if tokens are asked for and one came.

        Raises TokenRefused for one that is not valid, NotReady if that can't be told now,
        HandshakeRefused for more than one, ConnectsTooOften, NoRoom if others came meanwhile.
        """
        if self.guard is None:
            return None
        try:
            claims = self.guard.claims_of(headers, query)
        except StorageAway:
            raise NotReady from None
        if self.admission.full:
            raise NoRoom  # the last place went while the shared storage was asked
        if claims is not None:
            self.admission.check_subject(claims.subject)
        return claims

    def settle_keys(self, *, alone: bool) -> None:
        """See to it that there is a signing key if tokens are asked for.

        `alone`: whether this is one process on loopback, which may do with a random key.
        Raises ConfigurationError.
        """
        if self.guard is None or self.tokens.keys is not None:
            return
        if not alone:
            raise ConfigurationError(
                f"auth {self.settings.auth} needs a signing key: set FWS_SIGNING_KEY "
                "(python -c 'import secrets; print(secrets.token_hex(32))' makes one)"
            )
        self.tokens.keys = KeyRing.for_this_run()

    def adopt(self, socket: Any, peer: PeerInfo, context: UpgradeContext) -> Connection:
        """Take over a socket whose upgrade was answered; its events follow from here.

        Never waits: the connection is where revocations, limits and the end of the server find it
        before it joins a group, which its first run does.
        """
        connection = Connection(self, socket, peer, context)
        overrun = self.admission.entered(connection.address_key)
        if self.guard is None or self.guard.enter(connection, context.claims):
            self.users[connection.id] = connection
        self.reactor.add(connection.descriptor, connection)
        self.reactor.schedule(connection)
        log_open(connection)
        if self.draining:
            connection.close(self.end_code, self.end_code.meaning)
        elif overrun:
            connection.close(CloseCode.TRY_AGAIN_LATER, "as many are connected as may be")
        return connection

    def enter(self, connection: Connection) -> bool:
        """Have a connection join the group of its token; return whether its events may begin."""
        if self.guard is not None:
            return self.guard.let_in(connection)
        if self.settings.token is not None:
            connection.hold(self.settings.token)
            connection.join_own_group()
        return True

    def allow(self, connection: Connection, size: int) -> bool:
        """Count a message of `size` bytes; return whether it is within the rates."""
        return self.message_rates.allow(connection, size)

    def forget(self, connection: Connection, groups: Iterable[str]) -> None:
        """Send a connection nothing more: its socket is closed."""
        self.users.pop(connection.id, None)
        if self.guard is not None:
            self.guard.forget(connection)
        for group in tuple(groups):  # a filter of its own may leave some meanwhile
            self.leave(group, connection)

    def gone(self, connection: Connection, closed: Closed, *, connected: bool) -> None:
        """Emit the disconnect event of a connection if its connect event was; count its end."""
        try:
            if connected:
                self.emit_disconnect(connection, closed)
        finally:
            self._count_end(connection, closed)

    def _count_end(self, connection: Connection, closed: Closed) -> None:
        self.admission.gone(connection.address_key)
        self.note_close(closed)
        log_close(connection, closed)
        if not self.live:
            self._empty.set()
