"""The HTTP side of our own server: strict requests in, upgrades handed to the engine."""

from __future__ import annotations

import logging
import socket as sockets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gevent import Timeout
from geventwebsocket.handler import WebSocketHandler

from .composition import refusal
from .engine.facts import Opening, Peer
from .errors import HandshakeRefused, NoRoom
from .http_headers import WSGIHeaders
from .protocol.forwarded import Client, who_is
from .protocol.handshake import (
    BAD_REQUEST,
    Accepted,
    Request,
    check_host,
    negotiate,
    parse_headers,
    parse_request_line,
    wants_websocket,
)
from .takeover import take_socket
from .upgrade import NoSuchPath

if TYPE_CHECKING:
    from .server import FilteredWebSocketServer

_log = logging.getLogger("fws_gevent.http")
_access = logging.getLogger("fws_gevent.access")

MAX_LINE = 8192
"""Bytes of a request line or header line."""
MAX_HEAD = 65536
"""Bytes of all header lines."""
MAX_HEADERS = 100

_CLOSE = ("Connection", "close")
_TOO_LARGE = "431 Request Header Fields Too Large"


class FilteredWebSocketHandler(WebSocketHandler):  # type: ignore[misc]  # it has no types
    """Answers requests on one HTTP connection; an upgrade ends it here.

    Built on gevent-websocket's handler: `upgrade_websocket` and `run_websocket` are its seams.
    """

    server: FilteredWebSocketServer
    logger = _log
    ignored_socket_errors = (*WebSocketHandler.ignored_socket_errors, "timed out")

    # Reading a request.

    def handle(self) -> None:
        """Serve requests until the connection ends."""
        if self.socket.family in (sockets.AF_INET, sockets.AF_INET6):
            # An answer leaves in two writes, and the second would wait for the client's ACK.
            self.socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        try:
            super().handle()
        except OSError as error:
            _log.debug("%s: lost: %s", self.client_address, error)

    def handle_one_request(self) -> Any:
        """One request; its head must be here within `request_timeout`."""
        self._patience = Timeout.start_new(self.server.settings.request_timeout or None)
        self._client: Client | None = None
        self.command: str | None = None
        self.path: str | None = None
        try:
            return super().handle_one_request()
        except Timeout as expired:
            if expired is not self._patience:
                raise
            _log.debug("%s: no whole request in time", self.client_address)
            return None
        finally:
            self._patience.close()

    def read_request(self, raw_requestline: str) -> bool:
        """Parse a request's head by RFC 9112, more strictly than gevent does."""
        line = _without_line_end(raw_requestline)
        self.requestline = line
        command, path, version = parse_request_line(line)
        self.command, self.path, self.request_version = command, path, version
        headers = parse_headers(self._header_lines())
        self._request = Request(command, path, version, headers)
        check_host(self._request)
        self._patience.close()
        self.headers = WSGIHeaders(headers)
        length = headers.first("content-length")
        self.content_length = None if length is None else int(length)
        options = headers.tokens("connection")
        http10 = version == "HTTP/1.0"
        self.close_connection = "keep-alive" not in options if http10 else "close" in options
        return True

    def handle_one_response(self) -> None:
        """Answer a request; no read or write of its bodies waits longer than `request_timeout`."""
        self.socket.settimeout(self.server.settings.request_timeout or None)
        super().handle_one_response()
        if self.socket is not None:  # else it is a WebSocket's by now
            self.socket.settimeout(None)
            body = self.wsgi_input
            if body.chunked_input:
                whole = body.chunk_length == 0
            else:
                whole = body.position >= (self.content_length or 0)
            if not whole:
                self.close_connection = True  # what is left of the body is no request

    def _header_lines(self) -> Iterator[str]:
        room = MAX_HEAD
        for _ in range(MAX_HEADERS + 1):
            raw: bytes = self.rfile.readline(min(MAX_LINE, room) + 1)
            room -= len(raw)
            if len(raw) > MAX_LINE or room < 0:
                raise HandshakeRefused(_TOO_LARGE, "the headers are too large")
            line = _without_line_end(raw.decode("latin-1"))
            if not line:
                return
            yield line
        raise HandshakeRefused(_TOO_LARGE, f"over {MAX_HEADERS} header lines")

    def _handle_client_error(self, ex: Exception) -> tuple[str, bytes]:
        """The whole answer to a request that couldn't be parsed."""
        refused = ex if isinstance(ex, HandshakeRefused) else HandshakeRefused(BAD_REQUEST, str(ex))
        headers, body = refusal(refused)
        head = [
            f"HTTP/1.1 {refused.status}",
            *(f"{name}: {value}" for name, value in (*headers, _CLOSE)),
        ]
        self.close_connection = True
        return refused.status, "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body

    def _write(self, data: bytes) -> None:
        """Send a part of the body; the answer to HEAD has none (RFC 9110 §9.3.2)."""
        if self.command != "HEAD":
            super()._write(data)

    def log_request(self) -> None:
        """An access line for what was plain HTTP; a WebSocket has its own."""
        status = self.status.decode() if isinstance(self.status, bytes) else str(self.status)
        if status.startswith("101"):
            return
        peer, path = self._peer()[0] or "unix", (self.path or "-").partition("?")[0]
        _access.info(
            "http %s %s %s %s", peer, self.command or "-", path, status[:3],
            extra={"event": "http", "peer": peer, "method": self.command, "path": path,
                   "status": status[:3]},
        )  # fmt: skip

    # Upgrading it.

    def get_environ(self) -> dict[str, Any]:
        """The WSGI environ, with the client as trusted proxies name it."""
        environ: dict[str, Any] = super().get_environ()
        client = self._who()
        environ["REMOTE_ADDR"] = client.address
        if client.scheme is not None:
            environ["wsgi.url_scheme"] = client.scheme
        if client.host is not None:
            environ["HTTP_HOST"] = client.host
        return environ

    def upgrade_websocket(self) -> list[bytes] | None:
        """Answer a request for a WebSocket; leaves plain HTTP to the application."""
        if not wants_websocket(self._request.headers):
            return None
        environ = self.environ
        try:
            node = self.server.node_at(environ["PATH_INFO"])
            if node is None:
                raise NoSuchPath
            if self.server.draining:
                raise NoRoom
            node.admission.check(self._who().address)
            accepted = negotiate(self._request, self.server.policy, self._who().host)
            self._claims = node.authenticate(self._request.headers, environ["QUERY_STRING"])
        except HandshakeRefused as refused:
            return self._refuse(refused)
        self._node = node
        self.start_response("101 Switching Protocols", list(accepted.headers))
        self.close_connection = True
        self.websocket = accepted
        return None

    def run_websocket(self) -> None:
        """Hand the socket to the engine; what gevent does after this touches it no more."""
        accepted: Accepted = self.websocket
        try:
            socket, early = take_socket(self)
        except OSError as error:
            _log.debug("%s: lost before it opened: %s", self.client_address, error)
            return
        window_bits = accepted.deflate.window_bits if accepted.deflate else 0
        path = self.environ["PATH_INFO"]
        peer = Peer(path, self._peer(), accepted.subprotocol, window_bits)
        self._node.adopt(socket, peer, Opening(self.environ, early, self._claims))

    def _refuse(self, refused: HandshakeRefused) -> list[bytes]:
        headers, body = refusal(refused)
        self.start_response(refused.status, [*headers, _CLOSE])
        self.close_connection = True
        return [body]

    def _peer(self) -> tuple[str, int]:
        """Address and port of the client; the port is unknown (0) behind a proxy."""
        address = self.client_address
        host, port = address[:2] if isinstance(address, tuple) else ("", 0)
        client = self._client
        return (host, port) if client is None or client.address == host else (client.address, 0)

    def _who(self) -> Client:
        if self._client is None:
            address = self.client_address
            host = address[0] if isinstance(address, tuple) else ""
            self._client = who_is(host, self._request.headers, self.server.proxies)
        return self._client


def _without_line_end(line: str) -> str:
    """A line without its CRLF. Raises HandshakeRefused for a bare LF, or no line end at all."""
    if not line.endswith("\r\n"):
        raise HandshakeRefused(BAD_REQUEST, "a line doesn't end in CRLF")
    return line[:-2]
