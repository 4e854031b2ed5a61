"""The handler of requests to our own server: strict parsing, answers, upgrades."""

from __future__ import annotations

import socket as sockets
from contextvars import Context, copy_context
from typing import Any

from gevent import GreenletExit, Timeout
from gevent.ssl import SSLSocket

from ..connection.tls import say_goodbye
from ..errors import HandshakeRefused
from ..logs.loggers import get_logger
from ..protocol.forwarded import Client
from ..protocol.handshake import (
    BAD_REQUEST,
    Request,
    check_request,
    mentions_websocket,
    parse_headers,
    parse_request_line,
    split_target,
)
from ..protocol.peer import PEER, SocketPeer
from ..startup.middleware import SERVED
from ..upgrade.environ import ignore_upgrade
from ..upgrade.refusals import refusal
from ..upgrade.takeover import unread
from .answers import send_while_read
from .body import BadBody, Body, header_lines, without_line_end
from .connections import linger, twin_of
from .headers import WSGIHeaders
from .ticket_log import without_ticket
from .upgrading import CLOSE, UpgradingHandler

_log = get_logger("http")
_access = get_logger("access")


class FilteredWebSocketHandler(UpgradingHandler):
    """Answers the requests on one HTTP connection, until it ends or becomes a WebSocket.

    `UpgradingHandler` makes the WebSocket.
    """

    ignored_socket_errors = (*UpgradingHandler.ignored_socket_errors, "timed out")

    # Reading a request.

    def handle(self) -> None:
        """Serve requests until the connection ends."""
        if self.socket.family in (sockets.AF_INET, sockets.AF_INET6):
            # An answer leaves in two writes, and the second would wait for the client's ACK.
            self.socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        self.state = "new"
        self._clean: Context = copy_context()
        self._twin: Any = None
        self.server.http.entered(self)
        try:
            super().handle()
        except OSError as error:
            _log.debug("%s: lost: %s", self.client_address, error)
        finally:
            self.socket = self._twin
            if self.socket is not None:
                self.server.http.move(self, "idle")
                linger(self.socket)
            self.server.http.left(self)

    def handle_one_request(self) -> Any:
        """Handle one request, whose head must come within `request_timeout`."""
        if self.state == "busy":
            self.server.http.move(self, "idle")
        self._timeout = Timeout.start_new(self.server.node.settings.request_timeout or None)
        self._client: Client | None = None
        self.command: str | None = None
        self.path: str | None = None
        self.wsgi_input: Any = None
        try:
            result = super().handle_one_request()
        except Timeout as expired:
            if expired is not self._timeout:
                raise
            _log.debug("%s: no whole request in time", self.client_address)
            result = None
        finally:
            self._timeout.close()
        if result is True:
            return True
        self._end(result)
        return None

    def _end(self, answer: tuple[str, bytes] | None) -> None:
        """Send the answer to a request that could not be parsed, if any, and end the stream.

        gevent closes the socket after this.
        """
        if answer is not None:
            self.status, body = answer
            self.socket.sendall(body)
            self.log_request()
        if self._more_may_come(malformed=answer is not None):
            self._twin = twin_of(self.socket)
        if isinstance(self.socket, SSLSocket):
            say_goodbye(self.socket)

    def _more_may_come(self, *, malformed: bool) -> bool:
        """Return whether the client may still send something after its last answer."""
        if malformed:
            return True
        if self.socket is None or self.wsgi_input is None:
            return False  # a WebSocket's by now, or the client sent no whole request
        if not self.wsgi_input.whole:
            return True
        return not self.rfile.closed and bool(unread(self))

    def read_requestline(self) -> str:
        """Read the first line of a request; an empty line before it is ignored (RFC 9112 §2.2)."""
        line: str = super().read_requestline()
        if line == "\r\n":
            line = super().read_requestline()
        return line

    def read_request(self, raw_requestline: str) -> bool:
        """Parse a request's head by RFC 9112, more strictly than gevent does."""
        self.server.http.move(self, "busy")
        line = without_line_end(raw_requestline)
        self.requestline = line
        command, target, version = parse_request_line(line)
        path, authority = split_target(command, target)
        self.command, self.path, self.request_version = command, path, version
        headers = parse_headers(header_lines(self.rfile))
        self._request = Request(command, path, version, headers, authority)
        check_request(self._request)
        self._timeout.close()
        self.headers = WSGIHeaders(headers)
        length = headers.first("content-length")
        self.content_length = None if length is None else int(length)
        options = headers.tokens("connection")
        http10 = version == "HTTP/1.0"
        self.close_connection = "keep-alive" not in options if http10 else "close" in options
        if command == "CONNECT" or mentions_websocket(headers):
            self.close_connection = True  # bytes behind it need not be a request
        return True

    def handle_one_response(self) -> None:
        """Answer a request; each read and write of a body waits `request_timeout` at most.

        Each request has a `contextvars.Context` of its own, since the requests of one connection
        may be of different users.
        """
        self.socket.settimeout(self.server.node.settings.request_timeout or None)
        self._clean.copy().run(super().handle_one_response)
        if self.socket is not None:  # else it is a WebSocket's by now
            self.socket.settimeout(None)
            if not self.wsgi_input.whole:
                self.close_connection = True  # the rest of the body is not a request

    def finalize_headers(self) -> None:
        """Complete the headers of an answer, with Connection: close if it is the last one."""
        if self.server.node.draining:
            self.close_connection = True
        super().finalize_headers()
        headers: list[tuple[bytes, bytes]] = self.response_headers
        if self.close_connection and not any(name.lower() == b"connection" for name, _ in headers):
            headers.append((b"Connection", b"close"))

    def handle_error(self, t: Any, v: Any, tb: Any) -> None:
        """Answer a request whose application failed: 400 for a bad body, else 500.

        A forked child sends no answer: it ends with the exception.
        """
        if self.server.node.reactor.forked:
            raise v
        if not isinstance(v, BadBody):
            super().handle_error(t, v, tb)
            return
        _log.debug("%s: %s", self.client_address, v)
        self.close_connection = True
        self._send_error_response_if_possible(400)

    def _log_error(self, t: Any, v: Any, tb: Any) -> None:
        """Log an application's exception; gevent would print it, with the request's contents."""
        if not issubclass(t, GreenletExit) and self.server.node.repeats.due("http"):
            _log.error(
                "the application failed: %s %s",
                self.command,
                without_ticket(self.path or "-"),
                exc_info=(t, v, tb),
            )

    def _handle_client_error(self, ex: Exception) -> tuple[str, bytes]:
        """Return the whole answer to a request that couldn't be parsed."""
        refused = ex if isinstance(ex, HandshakeRefused) else HandshakeRefused(BAD_REQUEST, str(ex))
        headers, body = refusal(refused)
        head = [
            f"HTTP/1.1 {refused.status}",
            *(f"{name}: {value}" for name, value in (*headers, CLOSE)),
        ]
        self.close_connection = True
        self.socket.settimeout(self.server.node.settings.request_timeout or None)
        return refused.status, "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body

    def _write(self, data: bytes) -> None:
        """Send a part of the body; the answer to HEAD has none (RFC 9110 §9.3.2)."""
        if self.command != "HEAD":
            super()._write(data)

    def _sendall(self, data: bytes) -> None:
        """Send a part of the answer, while the client reads. Raises OSError."""
        try:
            node = self.server.node
            send_while_read(self.socket, data, node.settings.request_timeout, node.clock)
        except OSError as error:
            self.status = f"socket error: {error}"
            self.code: int = -abs(self.code)
            raise
        self.response_length += len(data)

    def log_request(self) -> None:
        """Write an access log line for plain HTTP; a WebSocket has its own."""
        status = self.status.decode() if isinstance(self.status, bytes) else str(self.status)
        if status.startswith("101"):
            return
        peer, path = self._peer()[0] or "unix", (self.path or "-").partition("?")[0]
        _access.info(
            "http %s %s %s %s", peer, self.command or "-", path, status[:3],
            extra={"event": "http", "peer": peer, "method": self.command, "path": path,
                   "status": status[:3]},
        )  # fmt: skip

    # Calling the application.

    def get_environ(self) -> dict[str, Any]:
        """Return the WSGI environ, with the client that trusted proxies name."""
        environ: dict[str, Any] = super().get_environ()
        environ[PEER] = SocketPeer(*self._socket_peer(), environ["wsgi.url_scheme"])
        environ[SERVED] = True
        ignore_upgrade(environ)
        client = self._find_client()
        environ["REMOTE_ADDR"] = client.address
        if client.scheme is not None:
            environ["wsgi.url_scheme"] = client.scheme
        host = client.host or self._request.host
        if host is not None:
            environ["HTTP_HOST"] = host
        headers = self._request.headers
        body = Body(
            self.rfile, self.content_length,
            chunked=bool(headers.all("transfer-encoding")),
            timeout=self.server.node.settings.request_timeout, clock=self.server.node.clock,
        )  # fmt: skip
        if headers.tokens("expect") and self.request_version == "HTTP/1.1":
            body.awaited_on = self.socket
        self.wsgi_input = environ["wsgi.input"] = body
        environ["wsgi.input_terminated"] = True
        return environ
