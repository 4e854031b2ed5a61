"""The upgrade of a request to our own server: granted, and made a connection of its node."""

from __future__ import annotations

from typing import Any

from geventwebsocket.handler import WebSocketHandler

from ..connection.upgrade_context import PeerInfo, UpgradeContext
from ..errors import HandshakeRefused
from ..logs.loggers import get_logger
from ..node.admission import Admission, Admitted
from ..protocol.addresses import normal_address
from ..protocol.forwarded import Client
from ..protocol.handshake import Request, wants_websocket
from ..protocol.paths import path_of
from ..upgrade.refusals import refusal
from ..upgrade.takeover import take_socket
from .body import CONTINUE
from .hosting import HostingServer

_log = get_logger("http")

CLOSE = ("Connection", "close")


class UpgradingHandler(WebSocketHandler):  # type: ignore[misc]  # it has no types
    """Makes WebSockets of upgrade requests.

    gevent-websocket's handler calls `upgrade_websocket` and `run_websocket`. A subclass parses
    requests, and sets `_request` and `_client` for each.
    """

    server: HostingServer
    socket: Any
    logger = _log
    _request: Request
    _client: Client | None
    _admission: Admission

    def upgrade_websocket(self) -> list[bytes] | None:
        """Answer a request for a WebSocket at our path; leave any other to the application."""
        request, environ = self._request, self.environ
        if not wants_websocket(request.headers, request.version):
            return None
        admission = self.server.node.admission_at(path_of(environ["PATH_INFO"]))
        if admission is None:
            return None
        try:
            admitted = admission.admit(request, self._find_client())
        except HandshakeRefused as refused:
            return self._refuse(refused)
        self._admission = admission
        if request.headers.tokens("expect"):
            self.socket.sendall(CONTINUE)  # before the 101 (RFC 9110 §7.8)
        self.start_response("101 Switching Protocols", list(admitted.accepted.headers))
        self.close_connection = True
        self.websocket = admitted
        return None

    def run_websocket(self) -> None:
        """Let a connection enter with the socket, which gevent doesn't touch after this."""
        admitted: Admitted = self.websocket
        accepted, claims = admitted
        try:
            socket, early = take_socket(self)
        except OSError as error:
            _log.debug("%s: lost before it opened: %s", self.client_address, error)
            return
        window_bits = accepted.deflate.window_bits if accepted.deflate else 0
        path, key = path_of(self.environ["PATH_INFO"]), self._find_client().key
        peer = PeerInfo(path, self._peer(), accepted.subprotocol, window_bits, key)
        self._admission.enter(socket, peer, UpgradeContext(self.environ, early, claims))

    def _refuse(self, refused: HandshakeRefused) -> list[bytes]:
        headers, body = refusal(refused)
        self.start_response(refused.status, [*headers, CLOSE])
        self.close_connection = True
        return [body]

    def _socket_peer(self) -> tuple[str, int]:
        """Return address and port of the socket's other end."""
        address = self.client_address
        host, port = address[:2] if isinstance(address, tuple) else ("", 0)
        return normal_address(host), port

    def _peer(self) -> tuple[str, int]:
        """Return address and port of the client; the port is unknown (0) behind a proxy."""
        (host, port), client = self._socket_peer(), self._client
        return (host, port) if client is None or client.address == host else (client.address, 0)

    def _find_client(self) -> Client:
        if self._client is None:
            host = self._socket_peer()[0]
            self._client = self.server.node.forwarding.client_of(host, self._request.headers)
        return self._client
