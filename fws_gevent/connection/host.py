"""What a connection needs of its node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from ..logs.loggers import Repeats
from ..loop.reactor import Reactor
from ..loop.wheel import Wheel
from ..protocol.payload import Data
from ..protocol.receiver import Limits
from ..storage.base import BaseStorageObject
from .closed import Closed
from .timeouts import Timeouts


class Emitter(Protocol):
    """The way of an event to its subscribers."""

    @property
    def emit(self) -> Callable[[Any, Any, Any], Any] | None:
        """The function that emits it, called with node, connection and data; None without any."""


class Host(Protocol):
    """The node of a connection, as the connection knows it.

    `Node` is one. A test may write a smaller one. Where a method takes a `connection`, it is the
    calling one. The methods are called in the thread of the node's loop, except for `broadcast` and
    `print`, which any thread may call.
    """

    # The loop, and the bounds that hold for each connection.

    @property
    def reactor(self) -> Reactor:
        """The loop that runs the connection's events and watches its socket."""

    @property
    def wheel(self) -> Wheel:
        """The timer of all deadlines."""

    @property
    def timeouts(self) -> Timeouts:
        """The times that a connection waits for its peer, and the bytes that may wait for it."""

    @property
    def limits(self) -> Limits:
        """The largest message that a client may send."""

    @property
    def auth(self) -> bool:
        """Whether tokens are checked here: then only `Claims` are a token."""

    # Events. Those of every message are routes, which cost one truth test without a subscriber.

    @property
    def data_route(self) -> Emitter:
        """The way of bytes from the wire, before they are decoded."""

    @property
    def message_route(self) -> Emitter:
        """The way of whole messages."""

    def enter(self, connection: Any) -> bool:
        """Join the group of the connection's token; return whether its events may begin.

        Return False while its token is awaited. May wait for the broker and the shared storage.
        """

    def emit_connect(self, connection: Any, environ: dict[str, Any]) -> bool:
        """Emit the connect event; return False if that was not possible."""

    def forget(self, connection: Any, groups: Iterable[str]) -> None:
        """Send nothing more to a connection whose socket is closed; take it out of its groups."""

    def gone(self, connection: Any, closed: Closed, *, connected: bool) -> None:
        """Count the end of a connection, after the disconnect event.

        That is emitted only if the connection is `connected`: its connect event was emitted.
        """

    # Groups, and what filters use.

    @property
    def users(self) -> Mapping[str, Any]:
        """All connections of the node, by id."""

    @property
    def storage_object(self) -> BaseStorageObject:
        """The storage that filters share."""

    def join(self, group: str, connection: Any, *, wait: bool = True) -> None:
        """Put the connection into a group; with `wait`, return when the broker has confirmed it."""

    def leave(self, group: str, connection: Any) -> None:
        """Take the connection out of a group."""

    def broadcast(self, data: Data, group: str | None = None, exclude: Any = None) -> None:
        """Send to all connections, or to a group's, but not to `exclude`."""

    def print(self, text: str) -> None:
        """Print a line to standard output without waiting for its reader."""

    # Rates and losses.

    def allow(self, connection: Any, size: int) -> bool:
        """Count a message of `size` bytes; return whether it is within the rates."""

    def count_loss(self, kind: str) -> None:
        """Count a connection that was given up, as "slow" or as silent ("keepalive")."""

    @property
    def repeats(self) -> Repeats:
        """The limit of log lines that clients can bring about."""
