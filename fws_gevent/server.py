"""Our own server: gevent's WSGIServer in front of a node."""

from __future__ import annotations

import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

import gevent
from gevent import Timeout
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from gevent.pywsgi import WSGIServer

from .clock import SYSTEM_CLOCK, Clock
from .errors import CloseCode, ConfigurationError
from .extension import parts_given
from .filters.base import FilterBase
from .logs.configuration import ErrorStream
from .logs.loggers import get_logger
from .loop.forks import tell_of_forks
from .node.events import NO_CONTEXTS, Contexts
from .node.facade import NodeFacade
from .protocol.addresses import in_url, is_loopback
from .settings import Settings
from .settings.parser import OptionParser
from .settings.parser import default_parser as plain_parser
from .startup.compatible_reactor import reactor
from .startup.flask_settings import PATH, settings_for
from .startup.node import make_node, settle_keys
from .startup.parts import parts_of
from .startup.patching import check_patched, patch_late
from .startup.wrapped import flask_app_in
from .storage.base import BaseStorageObject
from .upgrade.refusals import only_websockets
from .web.contexts import contexts_of
from .web.service import WebService
from .web.site import hand_over, with_pages
from .wsgi.accepting import PatientStreamServer
from .wsgi.connections import HTTPConnections
from .wsgi.handler import FilteredWebSocketHandler
from .wsgi.listener import (
    BACKLOG,
    host_of,
    inherited_listener,
    tcp_listener,
    tls_context,
    unix_listener,
)

# `build_reactor`, `reactor` and `sys` are here for programs of filtered_websocket.
__all__ = ["FilteredWebSocketServer", "build_reactor", "build_server", "default_parser",
           "reactor", "sys"]  # fmt: skip

_log = get_logger("server")

_FIRST_REQUEST = 1.0  # seconds for the request of a connection accepted just before the end


class FilteredWebSocketServer(NodeFacade, PatientStreamServer, WSGIServer):
    """A gevent WSGIServer with a node; upgrade requests become connections of the node.

    `users`, `groups`, `broadcast`, `storage_object` and `queue` belong to the node, which is the
    attribute `node`. `start`, `stop` and `serve_forever` are those of gevent, with a graceful
    shutdown. For the arguments see `build_server`, which makes servers.
    """

    def __init__(
        self,
        settings: Settings,
        storage_object: BaseStorageObject | None = None,
        application: WSGIApplication | None = None,
        filters: Sequence[type[FilterBase]] | None = None,
        listener: Any = None,
        contexts: Contexts = NO_CONTEXTS,
        clock: Clock = SYSTEM_CLOCK,
        **extra: Any,
    ) -> None:
        self.node = make_node(settings, storage_object, filters, contexts, clock)
        self.node.server = self
        settle_keys(self.node, alone=is_loopback(host_of(listener) if listener else settings.host))
        self.service: WebService | None = None
        """The pages under /fws/, where `build_server` made some."""
        self.http = HTTPConnections(clock)
        self._stopping = BoundedSemaphore(1)
        self._finished = Event()
        if settings.key is not None and settings.cert is not None:
            extra.setdefault("ssl_context", tls_context(settings.key, settings.cert))
        extra.setdefault("backlog", BACKLOG)
        extra.setdefault("handler_class", FilteredWebSocketHandler)
        self._spawn_with = extra.get("spawn", "default")
        path = settings.socket_path
        if listener is None:
            listener = (settings.host, settings.port) if path is None else unix_listener(path)
        if not isinstance(listener, tuple):
            extra.pop("backlog")
        application = application or only_websockets
        WSGIServer.__init__(
            self, listener, application, log=_log.logger, error_log=ErrorStream(_log), **extra
        )

    @classmethod
    def get_listener(cls, address: Any, backlog: int | None = None, family: Any = None) -> Any:
        """Return the socket to listen on; gevent calls this when the server starts."""
        return tcp_listener(address, backlog or BACKLOG, family)

    @property
    def url(self) -> str:
        """The URL for clients; known once it listens."""
        scheme = "wss" if self.ssl_enabled else "ws"
        if not isinstance(self.address, tuple):
            return f"{scheme}+unix:{self.address}"
        host, port = self.address[:2]
        return f"{scheme}://{in_url(host)}:{port}/"

    def start(self) -> None:
        """Listen and serve, also after a stop. Raises ConfigurationError without the address."""
        if self._finished.is_set():
            self._prepare_again()
        try:
            self.init_socket()
        except OSError as error:
            host, port = self.settings.host, self.settings.port
            reason = error.strerror or str(error)
            raise ConfigurationError(f"can't listen on {host} port {port}: {reason}") from None
        tell_of_forks(self)  # before the node does: the listening socket is on its loop
        self.node.start()
        WSGIServer.start(self)
        _log.info("serving on %s", self.url)
        self.node.announce()
        if self.service is not None and isinstance(self.address, tuple):
            self.service.say_link(self.url.replace("ws", "http", 1))

    def _prepare_again(self) -> None:
        """Undo what the last stop left behind. Raises ConfigurationError."""
        if (path := self.settings.socket_path) is not None:
            self.set_listener(unix_listener(path))
        self.set_spawn(self._spawn_with)
        self._finished.clear()

    def on_fork(self) -> None:
        """Close the listening socket, in a forked child."""
        if self.node.reactor.on_its_loop:  # else another server's child has ended that already
            self.close()

    def stop(self, timeout: float | None = None, code: CloseCode = CloseCode.GOING_AWAY) -> None:
        """Stop accepting, answer requests, close WebSockets with `code`, and end.

        Returns after `timeout` seconds (`grace` by default) at the latest, and cuts off the rest.
        With SERVICE_RESTART the socket file stays, for the server that takes its place.
        """
        with self._stopping:
            if self._finished.is_set():
                return
            self.close()
            grace = self.settings.grace if timeout is None else timeout
            deadline = self.node.clock.monotonic() + grace
            if (path := self.settings.socket_path) and code is not CloseCode.SERVICE_RESTART:
                Path(path).unlink(missing_ok=True)
            if self.node.reactor.started:
                _log.info("stopping: closing %d connections", len(self.users))
                self._finish(grace, deadline, code)
                WSGIServer.stop(self, timeout=0)
                self.http.cut_off()
                self.node.stop()
            _log.info("stopped")
            self._finished.set()

    def _finish(self, grace: float, deadline: float, code: CloseCode) -> None:
        """Close the WebSockets, and meanwhile answer all requests that have come."""
        answering = gevent.spawn(self.http.finish, deadline, _FIRST_REQUEST)
        try:
            self.node.drain(grace, code)
            answering.join()
        finally:
            answering.kill(block=False)
        if self.live:  # the last requests may have been upgrades
            self.node.drain(max(0.0, deadline - self.node.clock.monotonic()), code)

    def do_handle(self, *args: Any) -> None:
        """Serve an accepted connection."""
        self.http.accepted()
        super().do_handle(*args)

    def do_close(self, *args: Any) -> None:
        """Close the socket of a connection, unless it is a WebSocket's by now."""
        self.http.closed()
        super().do_close(*args)

    def serve_forever(self, stop_timeout: float | None = None) -> None:
        """Serve until `stop`, SIGTERM or Ctrl-C, which close every connection first.

        SystemExit in a greenlet that the application started does the same; it is raised then.
        """
        if not self.started:
            self.start()
        watchers = [
            gevent.signal_handler(number, self._on_signal, stop_timeout)
            for number in (signal.SIGTERM, signal.SIGINT)
        ]
        try:
            self._finished.wait()
        except KeyboardInterrupt:  # a filter's own, or Python's before the watchers were there
            self._on_signal(stop_timeout)
        except SystemExit:  # from a greenlet or a timer that a filter or a view started
            if not self.node.reactor.forked:
                self._on_signal(stop_timeout)
            raise
        finally:
            for watcher in watchers:
                watcher.cancel()

    def _on_signal(self, timeout: float | None) -> None:
        _log.info("told to stop")
        self.stop(timeout)

    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> None:
        """Do the TLS handshake, with a time-out, and serve the connection."""
        wrap: Any = self.wrap_socket  # type: ignore[misc]  # set on the instance, so not bound
        options: Any = self.ssl_args
        secure = wrap(client_socket, **{**options, "do_handshake_on_connect": False})
        try:
            with Timeout(self.settings.request_timeout or None):
                secure.do_handshake()
            self.handle(secure, address)
        except (OSError, Timeout) as error:
            _log.debug("TLS with %s: %s", address, error)
        finally:
            # A WebSocket keeps a file of the socket, which delays the real close until its own.
            secure.close()


def default_parser(application: object = None) -> OptionParser:
    """Return the parser of the command `fws_server`, to which programs add options of their own.

    Args:
        application: A Flask application with the extension, also behind middleware. Its FWS_…
            config goes over the environment and the configuration file, and under the flags.

    Raises:
        ConfigurationError: A setting in `app.config` is wrong.
    """
    app = flask_app_in(application)
    parser = plain_parser(None if app is None else app.config)
    if app is not None:
        parser.set_defaults(path=PATH)
    return parser


def build_server(
    options: Namespace | None = None,
    storage_object: BaseStorageObject | None = None,
    application: WSGIApplication | None = None,
    filters: Sequence[type[FilterBase]] | None = None,
    *,
    settings: Settings | None = None,
    **extra: Any,
) -> FilteredWebSocketServer:
    """Return a server, which listens once it is started.

    Args:
        options: Options that `default_parser` parsed, or a Namespace; see `Settings.from_options`.
        storage_object: Shared data, in place of the Redis of the settings.
        application: The WSGI application for plain HTTP. A Flask application with the extension,
            also behind middleware, gets this server; any other gets the pages under /fws/.
        filters: The filters of the server, in place of all that are defined.
        settings: Settings in place of options; without both, those of `Settings.load`.
        **extra: `listener`, a socket to serve on, `clock`, and what gevent's WSGIServer takes.

    Raises:
        ConfigurationError: A setting, a file or a filter can't work.
        TypeError: Both options and settings are given.
    """
    app = flask_app_in(application)
    chosen = settings_for(app, options, settings)
    if app is not None:
        given = parts_given(app)
        storage_object = given.storage_object if storage_object is None else storage_object
        filters = given.filters if filters is None else filters
        extra = {"contexts": contexts_of(app), "clock": given.clock} | extra
    storage, filters = parts_of(chosen, storage_object, filters)
    check_patched(shared=storage is not None and storage.shared)
    extra.setdefault("listener", inherited_listener())
    server = FilteredWebSocketServer(chosen, storage, application, filters, **extra)
    if app is not None:
        server.service = hand_over(app, server.node)
    else:
        server.application, server.service = with_pages(server.application, server.node)
    return server


def build_reactor(options: Namespace, **extra: Any) -> FilteredWebSocketServer:
    """Patch the standard library by gevent, and build a server: see `build_server`."""
    patch_late()
    return reactor.keep(build_server(options, **extra))
