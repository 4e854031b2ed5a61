"""Our own gunicorn worker: gunicorn -k fws_gevent.worker.FilteredWebSocketWorker wsgi:app.

HTTP is gunicorn's gevent worker: its strict parser with its limits, its access log, its TLS, its
life and death. An upgrade request comes with a seam in its environ (see `upgrade`), through which
the application takes the socket; then the greenlet that served HTTP on it ends.
"""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Callable, Iterable
from contextvars import copy_context
from functools import partial
from types import FrameType
from typing import Any

import gevent
from gevent import Timeout, get_hub
from gevent.event import Event
from gevent.pool import Pool
from gunicorn.sock import ssl_context  # type: ignore[import-untyped]  # it has no types
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

from .protocol.handshake import Headers, mentions_websocket, wants_websocket
from .protocol.peer import PEER, peer_of
from .upgrade.contract import UPGRADE, WORKER, WorkerNode
from .upgrade.environ import mend, mend_cookies
from .workers.ending import WorkerEnd
from .workers.environment import WORKERS
from .workers.gunicorn_upgrade import GunicornUpgrade, UpgradeAnswer
from .wsgi.accepting import ListenerName, PatientStreamServer, await_first_byte
from .wsgi.body import TimedInput, TooSlow
from .wsgi.connections import hang_up, has_unread, linger, twin_of
from .wsgi.ticket_log import hide_secrets_of, keep_tickets_from_the_log

_TIMEOUT = 10.0  # seconds, in place of `request_timeout` until that is known
_SPARE = 16  # connections over gunicorn's number, while others are dropped
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, signal.SIGUSR1)
_QUICK = 0.1  # seconds that gunicorn's workers take after SIGQUIT


class FilteredWebSocketWorker(GeventWorker):  # type: ignore[misc]  # it has no types
    """Serves HTTP as gunicorn's gevent worker does, and passes upgrades to the application."""

    def init_process(self) -> None:
        """Begin, in the new process."""
        self._stopping = Event()
        self._http: set[Any] = set()
        self._idle: set[Any] = set()
        # Connections without a request now, the longest silent one first.
        self._silent: dict[Any, None] = {}
        # Second sockets of connections that may send something after their last answer.
        self._twins: dict[Any, Any] = {}
        self._upgrades: dict[Any, GunicornUpgrade] = {}
        self._requests: dict[Any, Any] = {}  # requests that are being answered, by their sockets
        self._nodes: list[WorkerNode] = []
        self._ending: WorkerEnd | None = None
        self._timeout = _TIMEOUT
        self._heads: dict[Any, Timeout] = {}
        self.wsgi: Callable[..., Any]
        self.alive: bool
        super().init_process()

    # The `Worker` that the application knows.

    @property
    def capacity(self) -> int:
        """The number of connections that it may have: gunicorn's `worker_connections`."""
        return int(self.worker_connections)

    @property
    def connections(self) -> int:
        """The number of its connections, HTTP and WebSockets together."""
        return len(self._http) + sum(node.live for node in self._nodes)

    def serving(self, node: WorkerNode) -> None:
        """Count the node's WebSockets as this worker's, and finish it before the end.

        Args:
            node: The node, which has started.
        """
        self._nodes.append(node)
        self._timeout = node.settings.request_timeout
        if self._ending is not None:
            self._ending.finish(node)

    # Requests.

    def load_wsgi(self) -> None:
        """Load the application, and stand between it and gunicorn."""
        os.environ[WORKERS] = str(self.cfg.workers)
        super().load_wsgi()
        self._application: Callable[..., Iterable[bytes]] = self.wsgi
        self.wsgi = self._call

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve HTTP on one connection until it ends or becomes a WebSocket."""
        if isinstance(client, ssl.SSLSocket) and not self._shake_hands(client, addr):
            return
        self._http.add(client)
        self._await(client)
        try:
            # gunicorn would give a new connection the time of an idle one, `keepalive`.
            if await_first_byte(client, self._timeout):
                if not self.cfg.keepalive:  # then gunicorn would wait for a head without a limit
                    self._heads[client] = Timeout.start_new(self._timeout or None, StopIteration)
                super().handle(listener, client, addr)
        finally:
            self._has_a_head(client)
            self._silent.pop(client, None)
            self._http.discard(client)
            self._idle.discard(client)
            twin = self._twins.pop(client, None)
        if twin is not None:
            linger(twin)

    def _shake_hands(self, client: Any, addr: Any) -> bool:
        try:
            with Timeout(self._timeout or None):
                client.do_handshake()
        except (OSError, Timeout) as error:
            self.log.debug("TLS with %s: %s", addr, error)
            return False
        return True

    def _await(self, client: Any) -> None:
        """Await a request; where there is no room, close the longest silent connection."""
        self._silent[client] = None
        if self.connections > self.capacity and len(self._silent) > 1:
            longest = next(iter(self._silent))
            del self._silent[longest]
            self._http.discard(longest)
            hang_up(longest)

    def timeout_ctx(self) -> Timeout:
        """Return the time-out of gunicorn's waits for a head and for the next request."""
        seconds = min(self.cfg.keepalive, self._timeout or self.cfg.keepalive)
        return Timeout(seconds, False)  # type: ignore[arg-type]  # which only ends the wait

    def _has_a_head(self, client: Any) -> None:
        if client in self._heads:
            self._heads.pop(client).close()

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Answer one request. Raises StopIteration if its connection serves no more of them.

        Each request has a `contextvars.Context` of its own: the requests of one connection may be
        different users'.
        """
        self._idle.discard(sock)
        self._silent.pop(sock, None)
        self._has_a_head(sock)
        upgrade = None
        headers = Headers(req.headers)
        if mentions_websocket(headers):
            # Behind an upgrade that is refused there may be frames, which are not a request.
            req.force_close()
            if wants_websocket(headers, "HTTP/{}.{}".format(*req.version)):
                on_taken = partial(self._http.discard, sock)
                upgrade = self._upgrades[sock] = GunicornUpgrade(req, sock, on_taken)
        self._requests[sock] = req
        try:
            copy_context().run(super().handle_request, listener_name, req, sock, addr)
        except TooSlow as error:
            self.log.debug("%s: %s", addr, error)
            raise StopIteration from None
        except StopIteration:
            # There may be frames behind an upgrade that was refused, or an unread body.
            taken = upgrade is not None and upgrade.taken
            if not taken and (upgrade is not None or has_unread(sock)):
                self._linger_on(sock)
            raise
        finally:
            self._upgrades.pop(sock, None)
            self._requests.pop(sock, None)
            if not self.alive:  # it was the last of max_requests
                self._stopping.set()
        if not self.alive or upgrade is not None:
            raise StopIteration
        self._idle.add(sock)
        self._silent[sock] = None

    def _linger_on(self, client: Any) -> None:
        """Read on after a client's last answer, once gunicorn has closed its socket."""
        if client.fileno() >= 0 and client not in self._twins:
            self._twins[client] = twin_of(client)

    def _call(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes] | object:
        """Call the application; gunicorn has this in its place."""
        socket = environ["gunicorn.socket"]
        upgrade = self._upgrades.get(socket)
        private = keep_tickets_from_the_log(environ)
        private[WORKER], private[PEER] = self, peer_of(environ)
        mend(private, environ["RAW_URI"])
        mend_cookies(private, self._requests[socket].headers)
        length = 0 if "HTTP_TRANSFER_ENCODING" in private else private.get("CONTENT_LENGTH")
        private["wsgi.input"] = TimedInput(private["wsgi.input"], self._timeout, int(length or 0))
        if upgrade is None:
            return self._application(private, start_response)
        private[UPGRADE] = upgrade
        upgrade.start_response = start_response
        answer = self._application(private, upgrade.start)
        return answer if self.is_already_handled(answer) else UpgradeAnswer(answer, upgrade)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer and log a request that failed, without its ticket."""
        hide_secrets_of(req, exc)
        self._linger_on(client)
        super().handle_error(req, client, addr, exc)

    # Start and end.

    def run(self) -> None:
        """Serve until told to end; return when the connections have ended.

        The status of a SystemExit that ends it is not passed on: with 3 and 4 gunicorn gives up.
        """
        pool = Pool(self.worker_connections + _SPARE)
        self._servers = [self._serve(each, pool) for each in self.sockets]
        os.register_at_fork(after_in_child=self._leave_child)
        try:
            while self.alive:
                self.notify()
                self._stopping.wait(1.0)
        except SystemExit as error:
            if not self.alive or self.pid != os.getpid():
                raise  # SIGQUIT or SIGINT, which end it at once, or a forked child
            self.alive = False  # from a greenlet or a timer that the application started
            self.log.error("Worker told to exit by the application: %s (pid:%s)", error, self.pid)
        self._close_servers()
        self._end(pool)

    def notify(self) -> None:
        """Tell gunicorn's master that this worker lives; end if the master has gone.

        A child that the application forks is no worker: it has neither to do.
        """
        if self.pid == os.getpid():
            super().notify()

    def _leave_child(self) -> None:
        """Close the servers and reset the signals, in a child that the application forked."""
        self._close_servers()
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    def _close_servers(self) -> None:
        for server in self._servers:
            server.close()

    def _serve(self, listener: Any, pool: Pool) -> PatientStreamServer:
        options: dict[str, Any] = {}
        if self.cfg.is_ssl:
            # We do the handshake ourselves, since it needs a time-out.
            options = {"ssl_context": ssl_context(self.cfg), "do_handshake_on_connect": False}
        listener.setblocking(True)
        # A connection that was accepted just before the end asks for the name after it.
        handle = partial(self.handle, ListenerName(listener.getsockname()))
        server = PatientStreamServer(listener, handle, spawn=pool, **options)
        if self.cfg.workers > 1:
            server.max_accept = 1
        server.start()
        return server

    def _end(self, pool: Pool) -> None:
        """Answer requests and close WebSockets, within graceful_timeout."""
        end = self._ending = WorkerEnd(self.cfg.graceful_timeout, self.notify)
        for request in self._requests.values():
            request.force_close()
        end.hear(lambda: self._silent.keys() - self._idle)
        for node in self._nodes:
            end.finish(node)
        in_time = end.wait()
        for client in tuple(self._silent):
            hang_up(client)
        end.await_(pool.join)
        in_time = end.wait() and in_time
        for node in self._nodes:  # the last requests may have been upgrades
            end.finish(node)
        if not (end.wait() and in_time):
            self.log.warning("Worker graceful timeout (pid:%s)", self.pid)
            pool.kill(block=False)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle SIGTERM, also for a HUP of the master: end once all connections have ended."""
        super().handle_exit(sig, frame)
        # A signal interrupts any code; the loop does this when it is safe.
        get_hub().loop.run_callback_threadsafe(self._stopping.set)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Handle SIGINT and SIGQUIT: end at once, with a Close for clients that read it in time."""
        for node in self._nodes:
            gevent.spawn(node.finish, _QUICK)
        super().handle_quit(sig, frame)
