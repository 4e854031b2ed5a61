"""Our own gunicorn worker: gunicorn -k fws_gevent.worker.FilteredWebSocketWorker wsgi:app.

HTTP is gunicorn's gevent worker: its strict parser with its limits, its access log, its TLS, its
life and death. An upgrade request comes with a seam in its environ (see `upgrade`), through which
the application takes the socket; then the greenlet that served HTTP on it ends.
"""

from __future__ import annotations

import _socket
import contextlib
import os
import socket as sockets
import ssl
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from time import monotonic
from types import FrameType
from typing import Any

import gevent
from gevent import get_hub
from gevent.event import Event
from gevent.pool import Pool
from gunicorn.http.wsgi import Response  # type: ignore[import-untyped]  # it has no types
from gunicorn.sock import ssl_context  # type: ignore[import-untyped]
from gunicorn.workers.base_async import ALREADY_HANDLED  # type: ignore[import-untyped]
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

from .accepting import PatientStreamServer
from .protocol.handshake import Headers, Request, check_host, parse_headers, wants_websocket
from .takeover import for_the_reactor
from .ticket_log import hide_ticket, keep_tickets_from_the_log, without_ticket
from .upgrade import UPGRADE, WORKER, Node

_SWITCHING = "101 Switching Protocols"
_PATIENCE = 10.0  # seconds for a TLS handshake, and for the answer to an upgrade to be taken
# Parts of graceful_timeout, after which the master kills: for Close handshakes, and for all.
_CLOSING, _ENDING = 0.8, 0.95
_QUICK = 0.1  # seconds that gunicorn's workers leave themselves after SIGQUIT


class GunicornUpgrade:
    """The `Upgrade` of a request that gunicorn parsed."""

    def __init__(self, parsed: Any, socket: Any) -> None:
        self.parsed = parsed
        self._socket = socket
        self._target: str = parsed.uri
        self.start_response: Callable[..., Callable[[bytes], None]] | None = None
        self.taken: tuple[tuple[str, str], ...] | None = None
        """The headers that it was answered with, once the socket is no longer gunicorn's."""

    @property
    def request(self) -> Request:
        """Its head, with each header field as it was sent. Raises HandshakeRefused."""
        headers = parse_headers(f"{name}: {value}" for name, value in self.parsed.headers)
        version = "HTTP/{}.{}".format(*self.parsed.version)
        request = Request(self.parsed.method, self._target, version, headers)
        check_host(request)
        return request

    def take(self, headers: Sequence[tuple[str, str]]) -> tuple[Any, bytes]:
        """Answer 101; returns the socket and the bytes behind the request. Raises OSError."""
        assert self.start_response is not None
        self.taken = tuple(headers)
        self._socket.settimeout(_PATIENCE)
        write = self.start_response(_SWITCHING, list(headers))
        write(b"")  # what sends the head
        early: bytes = self.parsed.unreader.take_buffered()
        self._socket.settimeout(0)
        return for_the_reactor(self._socket), early


class FilteredWebSocketWorker(GeventWorker):  # type: ignore[misc]  # it has no types
    """Serves HTTP as gunicorn's gevent worker does, and hands upgrades to the application."""

    def init_process(self) -> None:
        """Begin, in the new process."""
        self._stopping = Event()
        self._http: set[Any] = set()
        self._idle: set[Any] = set()
        self._upgrades: dict[Any, GunicornUpgrade] = {}
        self._nodes: list[Node] = []
        self._endings: list[gevent.Greenlet[..., Any]] = []
        self._deadline: float | None = None
        self._asked_again = False
        self.wsgi: Callable[..., Any]
        super().init_process()

    # What the application sees of the worker.

    @property
    def capacity(self) -> int:
        """The connections that it may have: gunicorn's `worker_connections`."""
        return int(self.worker_connections)

    @property
    def connections(self) -> int:
        """Its connections, HTTP and WebSockets together."""
        return len(self._http) + sum(node.live for node in self._nodes)

    def serving(self, node: Node) -> None:
        """Count the node's WebSockets as this worker's, and finish it before the end."""
        self._nodes.append(node)
        if self._deadline is not None:
            self._finish(node)

    # Requests.

    def load_wsgi(self) -> None:
        """Load the application, and put ourselves between it and gunicorn."""
        super().load_wsgi()
        self._application: Callable[..., Iterable[bytes]] = self.wsgi
        self.wsgi = self._call

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve HTTP on one connection until it ends, or becomes a WebSocket."""
        if isinstance(client, ssl.SSLSocket) and not self._shake_hands(client, addr):
            return
        self._http.add(client)
        try:
            super().handle(listener, client, addr)
        finally:
            self._http.discard(client)
            self._idle.discard(client)

    def _shake_hands(self, client: Any, addr: Any) -> bool:
        try:
            client.settimeout(_PATIENCE)
            client.do_handshake()
        except OSError as error:
            self.log.debug("TLS with %s: %s", addr, error)
            return False
        return True

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Answer one request. Raises StopIteration if its connection serves no more of them."""
        self._idle.discard(sock)
        upgrade = None
        if _asks_for_websocket(req):
            # Behind an upgrade that is refused there may be frames, which are no request.
            req.force_close()
            upgrade = self._upgrades[sock] = GunicornUpgrade(req, sock)
        try:
            super().handle_request(listener_name, req, sock, addr)
        finally:
            self._upgrades.pop(sock, None)
            if not self.alive:  # it was the last of max_requests
                self._stopping.set()
        if not self.alive or upgrade is not None:
            raise StopIteration
        self._idle.add(sock)

    def _call(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes] | object:
        """The WSGI application that gunicorn calls."""
        upgrade = self._upgrades.get(environ["gunicorn.socket"])
        private = keep_tickets_from_the_log(environ)
        private[WORKER] = self
        begun = datetime.now()
        if upgrade is not None:
            private[UPGRADE] = upgrade
            upgrade.start_response = start_response
        answer: Iterable[bytes] = self._application(private, start_response)
        if upgrade is None or upgrade.taken is None:
            return answer
        close = getattr(answer, "close", None)
        if close is not None:
            close()
        self._taken(upgrade, environ, datetime.now() - begun)
        handled: object = ALREADY_HANDLED
        return handled

    def _taken(self, upgrade: GunicornUpgrade, environ: dict[str, Any], seconds: Any) -> None:
        """A connection became a WebSocket: it is counted as one, and its request logged."""
        client, request = environ["gunicorn.socket"], upgrade.parsed
        self._http.discard(client)
        answer = Response(request, client, self.cfg)
        answer.status = _SWITCHING
        answer.headers = list(upgrade.taken or ())
        self.log.access(answer, request, environ, seconds)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer and log a request that failed; its ticket is no business of the log's."""
        failed: tuple[Any, ...] = (req, getattr(exc, "req", None))
        for each in failed:
            if getattr(each, "uri", None):
                each.uri, each.query = without_ticket(each.uri), hide_ticket(each.query or "")
        for name in ("req", "hdr", "method", "data"):
            if isinstance(getattr(exc, name, None), str | bytes):
                setattr(exc, name, "(not shown)")  # what couldn't be parsed may hold a secret
        super().handle_error(req, client, addr, exc)

    # Its life and its end.

    def run(self) -> None:
        """Serve until told to end; returns when the connections have ended."""
        pool = Pool(self.worker_connections)
        servers = [self._serve(each, pool) for each in self.sockets]
        while self.alive:
            self.notify()
            self._stopping.wait(1.0)
        for server in servers:
            server.close()
        self._end(pool)

    def _serve(self, listener: Any, pool: Pool) -> PatientStreamServer:
        options: dict[str, Any] = {}
        if self.cfg.is_ssl:
            # The handshake is ours, for it needs a time-out.
            options = {"ssl_context": ssl_context(self.cfg), "do_handshake_on_connect": False}
        listener.setblocking(True)
        server = PatientStreamServer(
            listener, partial(self.handle, listener), spawn=pool, **options
        )
        if self.cfg.workers > 1:
            server.max_accept = 1
        server.start()
        return server

    def _end(self, pool: Pool) -> None:
        """Wait for requests to be answered and WebSockets to be closed, in graceful_timeout."""
        self._deadline = monotonic() + _ENDING * self.cfg.graceful_timeout
        for client in tuple(self._idle):
            _hang_up(client)
        self._endings.append(gevent.spawn(pool.join))
        for node in self._nodes:
            self._finish(node)
        while left := self._still_ending():
            seconds = self._deadline - monotonic()
            if seconds <= 0:
                self.log.warning("Worker graceful timeout (pid:%s)", self.pid)
                pool.kill(block=False)
                return
            self.notify()
            gevent.joinall(left, timeout=min(1.0, seconds))

    def _still_ending(self) -> list[gevent.Greenlet[..., Any]]:
        """What is to be waited for: with the last requests, WebSockets may have come once more."""
        left = [each for each in self._endings if not each.ready()]
        if not left and not self._asked_again:
            self._asked_again = True
            for node in self._nodes:
                self._finish(node)
            left = [each for each in self._endings if not each.ready()]
        return left

    def _finish(self, node: Node) -> None:
        self._endings.append(gevent.spawn(node.finish, _CLOSING * self.cfg.graceful_timeout))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM, which HUP of the master sends too: end when all connections have ended."""
        super().handle_exit(sig, frame)
        # A signal comes in the middle of anything; the loop does this when it can be done.
        get_hub().loop.run_callback_threadsafe(self._stopping.set)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """SIGINT and SIGQUIT: end at once, with a Close for whoever takes it in time."""
        for node in self._nodes:
            gevent.spawn(node.finish, _QUICK)
        super().handle_quit(sig, frame)


def _asks_for_websocket(request: Any) -> bool:
    """Whether a parsed request asks to upgrade; most have no Upgrade and are told by that."""
    return any(name == "UPGRADE" for name, _ in request.headers) and wants_websocket(
        Headers(request.headers)
    )


def _hang_up(client: Any) -> None:
    """Have no request more from a client: what it sent already is read, and then the end."""
    with contextlib.suppress(OSError):  # it may be gone
        # Not by the client's own method: that makes an error of the greenlet that reads.
        bare = _socket.socket(fileno=os.dup(client.fileno()))
        try:
            bare.shutdown(sockets.SHUT_RD)
        finally:
            bare.close()
