"""The status page's WebSocket: the server's numbers, every two seconds, to all who look."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..connection.connection import Connection
from ..errors import TokenInvalid
from ..node.guard import Guard, refused
from ..node.node import Server
from ..node.statistics import Snapshot
from ..protocol.credentials import find_credentials
from ..protocol.handshake import Headers
from ..signals import Bus
from ..tokens import Claims
from .admin import COOKIE, Admin
from .cookies import cookie_of

MAX_WATCHERS = 100


class StatusFeed(Server):
    """A server of its own for those who look: the chains of `node` don't hear of them.

    `snapshot(history)` gives what they see.
    """

    def __init__(self, node: Server, admin: Admin, snapshot: Callable[[bool], Snapshot]) -> None:
        settings = replace(
            node.settings, auth="required", token=None, path=None, max_connections=MAX_WATCHERS
        )
        self._admin = admin
        self._snapshot = snapshot
        super().__init__(settings, node.storage_object, filters=(), tokens=node.tokens)
        node.statistics.listen(self._show)

    def make_guard(self) -> Guard:
        """Ask for what opens the page."""
        return _StatusGuard(self, self._admin)

    def start_engine(self) -> None:
        """Begin to serve."""
        super().start_engine()
        self._watchdog.stop()  # the loop is the node's, and so is the line about it
        # Whoever hears all servers of this process on the buses hears of no watcher either.
        arrivals = Bus("watcher_connected", "Somebody looks at the status page.")
        arrivals.connect(self._greet, weak=False)
        self.connect_route = arrivals.route(self)
        silence = Bus("watchers", "What watchers say, a token even, is not listened to.").route(
            self
        )
        self.data_route = self.message_route = self.disconnect_route = silence

    def _greet(self, _server: Server, web_socket_instance: Connection, data: Any) -> None:  # noqa: ARG002 - blinker's names
        web_socket_instance.send(json.dumps(self._snapshot(True)))

    def _show(self) -> None:
        if self.users:
            self.broadcast(json.dumps(self._snapshot(False)))


class _StatusGuard(Guard):
    def __init__(self, server: Server, admin: Admin) -> None:
        super().__init__(server, server.tokens)
        self._admin = admin

    def claims_of(self, headers: Headers, query: str) -> Claims:
        """The claims of a cookie of the status page, or of a token with its scope."""
        token = find_credentials(headers, query).token
        if token is not None:
            claims = self._admin.claims_of_token(token)
        else:
            claims = self._admin.claims_of_cookie(cookie_of(headers.all("cookie"), COOKIE))
        if claims is None:
            raise refused(TokenInvalid("log in to the status page first"))
        return claims
