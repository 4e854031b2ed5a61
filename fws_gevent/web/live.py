"""The WebSocket of the status page: the node's figures, every two seconds, for all watchers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from ..connection.closed import Closed
from ..connection.connection import Connection
from ..connection.host import Emitter
from ..errors import TokenInvalid
from ..node.admission import Admission
from ..node.guard import Guard, refused
from ..node.limits import ConnectionLimits
from ..node.members import Users
from ..node.node import Node
from ..node.statistics import Snapshot
from ..protocol.credentials import find_credentials
from ..protocol.frames import TEXT
from ..protocol.handshake import Headers
from ..protocol.payload import Data, frame_for
from ..tokens import Claims
from .admin import COOKIE, Admin
from .cookies import cookie_of

MAX_WATCHERS = 100


class StatusFeed:
    """A side node: the watchers of the status page, on the loop of the node that they watch.

    It is the `Host` of their connections. They are not among the node's connections and in none of
    its groups, its filters and buses get none of their events, and their messages go nowhere.
    """

    auth = True

    def __init__(self, node: Node, admin: Admin, snapshot: Callable[[bool], Snapshot]) -> None:
        self.reactor, self.wheel, self.timeouts = node.reactor, node.wheel, node.timeouts
        self.limits, self.repeats, self.print = node.limits, node.repeats, node.print
        self.storage_object, self.server = node.storage_object, node.server
        self.users = Users()
        self.data_route: Emitter = _Silence()
        self.message_route: Emitter = _Discard()
        self._snapshot = snapshot
        self._guard = _WatcherGuard(admin, node, self.users)
        settings = replace(node.settings, max_connections=MAX_WATCHERS)
        limits = ConnectionLimits(settings, node.clock)
        self.admission = Admission(self, self.users, limits, node.shutdown, self._guard, settings)
        node.statistics.listen(self._show)

    @property
    def live(self) -> int:
        """The number of watchers whose end is still to come."""
        return self.admission.limits.live

    def open_connections(self) -> Sequence[Connection]:
        """Return the connections of all watchers."""
        return tuple(self.users.values())

    def on_fork(self) -> None:
        """Have no watchers, in a forked child."""
        self.users.clear()

    def _show(self) -> None:
        """Send the figures to all watchers: encoded once, and once for each kind of deflate."""
        if not self.users:
            return
        payload = json.dumps(self._snapshot(False)).encode()
        frames: dict[int, bytes] = {}
        for watcher in self.users.values():
            bits = watcher.window_bits
            if bits not in frames:
                frames[bits] = frame_for(TEXT, payload, bits)
            if not watcher.ending:
                watcher.flush(frames[bits])  # so that the node's messages alone are counted

    # For the connections; see `Host`.

    def enter(self, connection: Connection) -> bool:
        """Check the right to watch once more; return whether the figures may be sent."""
        return self.admission.complete(connection)

    def emit_connect(self, connection: Connection, environ: dict[str, Any]) -> bool:  # noqa: ARG002 - `Host`'s
        """Send the figures, with those of the last minutes."""
        payload = json.dumps(self._snapshot(True)).encode()
        connection.flush(frame_for(TEXT, payload, connection.window_bits))
        return True

    def forget(self, connection: Connection, groups: Iterable[str]) -> None:  # noqa: ARG002 - `Host`'s
        """Send nothing more to a connection whose socket is closed."""
        self.users.pop(connection.id, None)
        self._guard.forget(connection)

    def gone(self, connection: Connection, closed: Closed, *, connected: bool) -> None:  # noqa: ARG002 - `Host`'s
        """Count the end of a connection."""
        self.admission.leave(connection, closed)

    def allow(self, connection: Connection, size: int) -> bool:  # noqa: ARG002 - `Host`'s
        """Return True: what watchers send costs nothing."""
        return True

    def join(self, group: str, connection: Connection, *, wait: bool = True) -> None:
        """Do nothing: watchers are in no group."""

    def leave(self, group: str, connection: Connection) -> None:
        """Do nothing: watchers are in no group."""

    def broadcast(self, data: Data, group: str | None = None, exclude: Any = None) -> None:
        """Do nothing: watchers send to nobody."""

    def count_loss(self, kind: str) -> None:
        """Do nothing: the figures count the node's connections alone."""


class _WatcherGuard(Guard):
    """Checks what opens the status page, in place of any valid token."""

    def __init__(self, admin: Admin, node: Node, users: Users) -> None:
        super().__init__(node.tokens, users, node.reactor, node.wheel, required=True)
        self._admin = admin

    def claims_of(self, headers: Headers, query: str) -> Claims:
        """Return the claims of a cookie of the status page, or of a token with its scope."""
        token = find_credentials(headers, query).token
        if token is not None:
            claims = self._admin.claims_of_token(token)
        else:
            claims = self._admin.claims_of_cookie(cookie_of(headers.all("cookie"), COOKIE))
        if claims is None:
            raise refused(TokenInvalid("log in to the status page first"))
        return claims


class _Silence:
    """The route of events that nobody gets."""

    emit: Callable[[Any, Any, Any], Any] | None = None


class _Discard:
    """The route of messages that are dropped; unlike `_Silence`, it has them counted nowhere."""

    def emit(self, node: Any, connection: Any, data: Any) -> None:
        """Do nothing."""
