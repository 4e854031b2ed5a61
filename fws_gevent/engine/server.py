"""The server as filters, buses and applications see it; the doors to it are its subclasses."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from time import monotonic
from typing import Any

from gevent import get_hub
from gevent.event import Event

from .. import signals
from ..errors import CloseCode, FilterFailed, PublishFailed
from ..filters.base import (
    FilterBase,
    WebSocketConnectFilter,
    WebSocketConsumerFilter,
    WebSocketDataFilter,
    WebSocketDisconnectFilter,
    WebSocketMessageFilter,
)
from ..filters.chain import Chain
from ..protocol.receiver import Limits
from ..settings import Settings
from ..storage.base import BaseStorageObject
from ..storage.memory import MemoryStorageObject
from .connection import Connection
from .consumer import ConsumerQueue
from .facts import Closed, Opening, Peer
from .keepalive import Patience
from .payload import Data, convert, frame_for
from .reactor import Reactor
from .wheel import Wheel

_log = logging.getLogger("fws_gevent.server")
_access = logging.getLogger("fws_gevent.access")

_BUSES: tuple[tuple[str, signals.Bus, type[FilterBase]], ...] = (
    ("connect", signals.client_connected, WebSocketConnectFilter),
    ("data", signals.data_received, WebSocketDataFilter),
    ("message", signals.message_received, WebSocketMessageFilter),
    ("disconnect", signals.client_disconnected, WebSocketDisconnectFilter),
    ("consumer", signals.consumer_received, WebSocketConsumerFilter),
)


HARD_QUEUE = 16
"""Times `max_queue` (or the largest message) that may ever wait for one connection."""


class Users(dict[str, Connection]):
    """Connections by id. A loop over it sees who was there when it began, and may wait inside."""

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(super().keys()))

    def keys(self) -> Any:
        """The ids, as they are now."""
        return tuple(super().keys())

    def values(self) -> Any:
        """The connections, as they are now."""
        return tuple(super().values())

    def items(self) -> Any:
        """Ids with their connections, as they are now."""
        return tuple(super().items())


_NOBODY = Users()


class Server:
    """One node: its connections, groups, chains and storage.

    It is the sender of its events on the buses, and what consumer filters get as
    `web_socket_instance`. The filters are those defined by the time it starts, or `filters`;
    later ones don't join it.
    """

    def __init__(
        self,
        settings: Settings,
        storage_object: BaseStorageObject | None = None,
        filters: Sequence[type[FilterBase]] | None = None,
    ) -> None:
        self.settings = settings
        self.storage_object = storage_object or MemoryStorageObject()
        self.users = Users()
        self.groups: dict[str, Users] = {}
        self.closes: Counter[int] = Counter()
        self.draining = False
        self.live = 0
        """Connections whose disconnect event is still to come."""
        self.limits = Limits(settings.max_message_size, settings.max_fragments)
        self.reactor = Reactor(settings.max_runners)
        self.wheel = Wheel(_resolution(settings))
        self.patience = _patience(settings, self.wheel)
        self.queue = ConsumerQueue(self)
        self.chains: dict[str, Chain] = {}
        self._filters = filters
        self._empty = Event()

    # The life of a server.

    def start_engine(self) -> None:
        """Freeze the chains, subscribe them to their buses, and begin to serve."""
        for name, _, base in _BUSES:
            chosen = base.filters if self._filters is None else self._filters
            links = [link for link in chosen if issubclass(link, base)]
            self.chains[name] = Chain(links, self.reactor.offload, self._rescue)
        routes = [self._subscribe(name, bus) for name, bus, _ in _BUSES]
        self.connect_route, self.data_route, self.message_route = routes[:3]
        self.disconnect_route, self.consumer_route = routes[3:]
        self.reactor.start()
        self._ticker = get_hub().loop.timer(self.wheel.resolution, self.wheel.resolution)
        self._ticker.start(self.wheel.tick)
        self.reactor.schedule(self.queue)

    def announce(self) -> None:
        """Log what this server is made of: its storage, and each chain's filters in order."""
        _log.info("storage: %s", self.storage_object)
        for name, chain in self.chains.items():
            if chain.filters:
                links = (f"{link.__module__}.{link.__name__}" for link in chain.filters)
                _log.info("chain %s: %s", name, " > ".join(links))

    def _subscribe(self, name: str, bus: signals.Bus) -> signals.Route:
        chain = self.chains[name]
        if chain.filters:
            bus.connect(chain.receive, sender=self, weak=False)
        return bus.route(self, chain.receive)

    def drain(self, grace: float, code: CloseCode = CloseCode.GOING_AWAY) -> None:
        """Close every connection with `code` after what was sent, for `grace` seconds at most.

        What is left then is cut off. Returns when all disconnect events were told, or the time
        is over.
        """
        self.draining = True
        deadline = monotonic() + grace
        for connection in self.users.values():
            connection.close(code, code.meaning)
        self._wait_until_empty(deadline)
        mute = self.users.values()
        for connection in mute:
            connection.give_up(code, "cut off")
        if mute:
            _log.warning("%d connections didn't answer in %g s and were cut off", len(mute), grace)
            self._wait_until_empty(monotonic() + 1)
        if self.live:
            _log.warning("%d connections ended with a filter still at work", self.live)

    def _wait_until_empty(self, deadline: float) -> None:
        if self.live:
            self._empty.clear()
            self._empty.wait(max(0, deadline - monotonic()))

    def stop_engine(self) -> None:
        """Leave the buses and free the watchers."""
        for name, bus, _ in _BUSES:
            bus.disconnect(self.chains[name].receive)
        self._ticker.stop()
        self._ticker.close()
        self.reactor.stop()

    # Connections come and go.

    @property
    def at_capacity(self) -> bool:
        """Whether no connection more is taken."""
        return self.live >= self.settings.max_connections

    def adopt(self, socket: Any, peer: Peer, opening: Opening) -> Connection:
        """Take over a socket whose upgrade was answered; its events follow from here."""
        connection = Connection(self, socket, peer, opening)
        self.live += 1
        self.users[connection.id] = connection
        if self.settings.token is not None:
            connection.token = self.settings.token
        self.reactor.add(connection.descriptor, connection)
        self.reactor.schedule(connection)
        _access.info(
            "open %s %s %s", connection.id, connection.peer_name, connection.path,
            extra={"event": "open", "id": connection.id, "peer": connection.peer_name,
                   "path": connection.path},
        )  # fmt: skip
        if self.draining:
            connection.close(CloseCode.GOING_AWAY, CloseCode.GOING_AWAY.meaning)
        return connection

    def forget(self, connection: Connection, groups: Iterable[str]) -> None:
        """Send a connection nothing more: its socket is closed."""
        self.users.pop(connection.id, None)
        for group in groups:
            self.leave(group, connection)

    def gone(self, connection: Connection, closed: Closed) -> None:
        """A connection ended, and its disconnect event was told."""
        self.live -= 1
        self.closes[closed.code] += 1
        seconds = round(monotonic() - connection.opened_at, 3)
        _access.info(
            "close %s %s %s %d %.3fs %s", connection.id, connection.peer_name, connection.path,
            closed.code, seconds, closed.reason,
            extra={"event": "close", "id": connection.id, "peer": connection.peer_name,
                   "path": connection.path, "code": int(closed.code), "reason": closed.reason,
                   "seconds": seconds},
        )  # fmt: skip
        if not self.live:
            self._empty.set()

    def join(self, group: str, connection: Connection) -> None:
        """Put a connection into a group."""
        members = self.groups.get(group)
        if members is None:
            members = self.groups[group] = Users()
        members[connection.id] = connection

    def leave(self, group: str, connection: Connection) -> None:
        """Take a connection out of a group; a group without members is none."""
        members = self.groups.get(group)
        if members is not None:
            members.pop(connection.id, None)
            if not members:
                del self.groups[group]

    # What filters and applications use.

    def broadcast(
        self, data: Data, group: str | None = None, exclude: Connection | None = None
    ) -> None:
        """Send to all connections, or to those in `group`, but not to `exclude`.

        It is encoded once for all, and compressed once for each window size agreed on. Raises
        TypeError for what can't be sent.
        """
        opcode, payload = convert(data)
        if self.reactor.offloading and self.reactor.elsewhere():
            self.reactor.call_here(self._spread, opcode, bytes(payload), group, exclude)
        else:
            self._spread(opcode, payload, group, exclude)

    def _spread(
        self,
        opcode: int,
        payload: bytes | bytearray,
        group: str | None,
        exclude: Connection | None,
    ) -> None:
        members = self.users if group is None else self.groups.get(group, _NOBODY)
        frames = {0: frame_for(opcode, payload, 0)}
        for connection in members.values():
            if connection is exclude or connection.ending:
                continue
            frame = frames.get(connection.window_bits)
            if frame is None:
                frame = frame_for(opcode, payload, connection.window_bits)
                frames[connection.window_bits] = frame
            connection.write(frame)

    def _rescue(self, instance: Any, error: BaseException) -> None:
        """A filter raised and its chain stopped: what becomes of the connection."""
        if not isinstance(instance, Connection):
            return  # the consumer chain's events have none
        if isinstance(error, PublishFailed):
            instance.send(error.notice)
        else:
            code = FilterFailed.close_code
            assert code is not None
            instance.close(code, code.meaning)


def _resolution(settings: Settings) -> float:
    """Seconds in a tick: one, or less where a time-out is set that short."""
    times = (settings.ping_interval, settings.ping_timeout, settings.max_queue_time)
    return min(1.0, *(seconds / 4 for seconds in (*times, settings.close_timeout) if seconds))


def _patience(settings: Settings, wheel: Wheel) -> Patience:
    return Patience(
        ping_interval=wheel.ticks(settings.ping_interval) if settings.ping_interval else 0,
        ping_timeout=wheel.ticks(settings.ping_timeout),
        close_timeout=wheel.ticks(settings.close_timeout),
        max_queue=settings.max_queue,
        hard_queue=HARD_QUEUE * max(settings.max_queue, settings.max_message_size),
        queue_timeout=wheel.ticks(settings.max_queue_time),
    )
