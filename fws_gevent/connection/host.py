"""The contract between a connection and its node."""

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
    """The route of one event to its subscribers."""

    @property
    def emit(self) -> Callable[[Any, Any, Any], Any] | None:
        """Return the function that emits it; None without subscribers.

        It is called with the node, the connection and the data.
        """


class Host(Protocol):
    """A node, as far as its connections know it.

    Methods that take a `connection` are given the calling one. They are called in the thread of the
    node's loop; only `broadcast` and `print` may be called in any thread.
    """

    # The loop, and the bounds that hold for each connection.

    @property
    def reactor(self) -> Reactor:
        """Return the loop, which watches the socket and runs the events of the connection."""

    @property
    def wheel(self) -> Wheel:
        """Return the timer of all deadlines."""

    @property
    def timeouts(self) -> Timeouts:
        """Return the time-outs and queue bounds of each connection."""

    @property
    def limits(self) -> Limits:
        """Return the bounds of the messages that a client may send."""

    @property
    def auth(self) -> bool:
        """Return whether tokens are checked. If so, a token is a `Claims`."""

    # Events.

    @property
    def data_route(self) -> Emitter:
        """Return the route of bytes from the wire, before they are decoded."""

    @property
    def message_route(self) -> Emitter:
        """Return the route of whole messages."""

    def enter(self, connection: Any) -> bool:
        """Join the group of the connection's token; return whether its events may begin.

        They may not while the token is awaited. May wait for the broker and the shared storage.
        """

    def emit_connect(self, connection: Any, environ: dict[str, Any]) -> bool:
        """Emit the connect event; return False if that was not possible."""

    def forget(self, connection: Any, groups: Iterable[str]) -> None:
        """Send nothing more to a connection whose socket is closed, and take it out of `groups`."""

    def gone(self, connection: Any, closed: Closed, *, connected: bool) -> None:
        """Emit the disconnect event, if the connect event was (`connected`); count the end."""

    # Services for filters.

    @property
    def server(self) -> Any:
        """Return the server, or the WSGI application, that has the node; else the node."""

    @property
    def users(self) -> Mapping[str, Any]:
        """Return all connections of the node, by id."""

    @property
    def storage_object(self) -> BaseStorageObject:
        """Return the storage that filters share."""

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
        """Return the limiter of log lines that clients can cause."""
