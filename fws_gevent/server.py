"""Our own server: gevent's WSGIServer in front of the engine."""

from __future__ import annotations

import importlib
import logging
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import gevent
from gevent import Timeout
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from gevent.monkey import is_module_patched
from gevent.pywsgi import WSGIServer

from .engine.server import Server
from .errors import ConfigurationError
from .filters.base import FilterBase
from .handler import FilteredWebSocketHandler
from .listener import BACKLOG, tcp_listener, tls_context, unix_listener
from .logs import configure_if_silent
from .parser import default_parser
from .protocol.handshake import UPGRADE_REQUIRED, Policy, upgrade_headers
from .settings import Settings
from .storage.base import BaseStorageObject

__all__ = ["FilteredWebSocketServer", "build_server", "default_parser"]

_log = logging.getLogger("fws_gevent.server")

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def only_websockets(
    _environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """The application for plain HTTP where there is no other: 426, and why."""
    body = b"This is a WebSocket server: connect with ws:// or wss://.\n"
    headers = [
        *upgrade_headers(),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
    ]
    start_response(UPGRADE_REQUIRED, headers)
    return [body]


class FilteredWebSocketServer(Server, WSGIServer):
    """A gevent WSGIServer whose upgrade requests become connections of the engine.

    `users`, `groups`, `broadcast`, `storage_object` and `queue` are the engine's; `start`,
    `stop` and `serve_forever` are gevent's, with a graceful end.
    """

    def __init__(
        self,
        settings: Settings,
        storage_object: BaseStorageObject | None = None,
        application: Application | None = None,
        filters: Sequence[type[FilterBase]] | None = None,
        **extra: Any,
    ) -> None:
        Server.__init__(self, settings, storage_object, filters)
        self.policy = Policy(
            settings.allowed_origins, settings.subprotocols, settings.deflate == "on"
        )
        self.proxies = settings.proxies
        self._stopping = BoundedSemaphore(1)
        self._finished = Event()
        if settings.key is not None and settings.cert is not None:
            extra.setdefault("ssl_context", tls_context(settings.key, settings.cert))
        extra.setdefault("backlog", BACKLOG)
        extra.setdefault("handler_class", FilteredWebSocketHandler)
        path = settings.socket_path
        listener = (settings.host, settings.port) if path is None else unix_listener(path)
        if path is not None:
            extra.pop("backlog")
        application = application or only_websockets
        WSGIServer.__init__(self, listener, application, log=_log, error_log=_log, **extra)

    @classmethod
    def get_listener(cls, address: Any, backlog: int | None = None, family: Any = None) -> Any:
        """gevent asks for the socket to listen on when the server starts."""
        return tcp_listener(address, backlog or BACKLOG, family)

    @property
    def url(self) -> str:
        """Where clients find it; known once it listens."""
        scheme = "wss" if self.ssl_enabled else "ws"
        if not isinstance(self.address, tuple):
            return f"{scheme}+unix:{self.settings.socket_path}"
        host, port = self.address[:2]
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"

    def start(self) -> None:
        """Listen and serve. Raises ConfigurationError if the address can't be had."""
        try:
            self.init_socket()
        except OSError as error:
            host, port = self.settings.host, self.settings.port
            reason = error.strerror or str(error)
            raise ConfigurationError(f"can't listen on {host} port {port}: {reason}") from None
        self.start_engine()
        WSGIServer.start(self)
        _log.info("serving on %s", self.url)
        self.announce()

    def stop(self, timeout: float | None = None) -> None:
        """Take no more connections, close those there are with 1001, and end.

        Returns when all is written and told, after `timeout` seconds (`grace` by default) at the
        latest; what has not ended by then is cut off.
        """
        with self._stopping:
            if self._finished.is_set():
                return
            self.close()
            if self.settings.socket_path is not None:
                Path(self.settings.socket_path).unlink(missing_ok=True)
            if self.reactor.started:
                _log.info("stopping: closing %d connections", len(self.users))
                self.drain(self.settings.grace if timeout is None else timeout)
                WSGIServer.stop(self, timeout=0)
                self.stop_engine()
            _log.info("stopped")
            self._finished.set()

    def serve_forever(self, stop_timeout: float | None = None) -> None:
        """Serve until `stop`, SIGTERM or Ctrl-C, which close every connection first."""
        if not self.started:
            self.start()
        watchers = [
            gevent.signal_handler(number, self._on_signal, stop_timeout)
            for number in (signal.SIGTERM, signal.SIGINT)
        ]
        try:
            self._finished.wait()
        finally:
            for watcher in watchers:
                watcher.cancel()

    def _on_signal(self, timeout: float | None) -> None:
        _log.info("told to stop")
        self.stop(timeout)

    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> None:
        """Do the TLS handshake, with a time-out, and serve what comes over it."""
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
            # A WebSocket keeps a file of the socket, which puts the real close off until its own.
            secure.close()


def build_server(
    options: Namespace,
    storage_object: BaseStorageObject | None = None,
    application: Application | None = None,
    filters: Sequence[type[FilterBase]] | None = None,
    **extra: Any,
) -> FilteredWebSocketServer:
    """The server for parsed `options` (see `default_parser`); what they lack has its default.

    Imports the filter modules that `options.filters` names; the server then has all filters
    that are defined, or those in `filters`. `application` is the WSGI application for what is no
    upgrade. What is in `extra` goes to gevent's WSGIServer.

    Raises ConfigurationError for what can't work, in one line.
    """
    settings = Settings.from_options(options)
    configure_if_silent(settings.log_level, settings.log_format)
    import_filters(settings.filters)
    refuse_redis(settings)
    if not (is_module_patched("socket") and is_module_patched("time")):
        _log.warning(
            "gevent has not patched socket and time: a filter that waits would stop the server; "
            "begin the program with: from gevent import monkey; monkey.patch_all()"
        )
    return FilteredWebSocketServer(settings, storage_object, application, filters, **extra)


def import_filters(names: Iterable[str]) -> None:
    """Import modules of filters, also from the current folder. Raises ConfigurationError."""
    here = str(Path.cwd())
    if "" not in sys.path and here not in sys.path:
        sys.path.insert(0, here)
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:
            what = " ".join(f"{type(error).__name__}: {error}".split())
            raise ConfigurationError(f"can't import filter module {name}: {what}") from error


def refuse_redis(settings: Settings) -> None:
    """Raise ConfigurationError if Redis is asked for: better than to serve without it."""
    if settings.redis_url is not None or settings.redis_host is not None:
        raise ConfigurationError(
            "--redis_url and --redis_host have no storage object yet; "
            "give build_server(options, storage_object=...) one of your own"
        )
