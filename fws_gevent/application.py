"""The WSGI application for gunicorn's stock GeventWebSocketWorker.

That worker answers the upgrade itself (with gevent-websocket) and then calls the application,
which takes the socket over: from there on it is the same engine as our own server's. What the
worker decides before the application is asked is its own: its HTTP parser, no deflate, and a
close code where our own server would have answered 401, 403 or 503.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FrameType
from typing import Any

import gevent
from gevent.event import Event

from .command import DEFAULT_FILTERS
from .engine.facts import Opening, Peer
from .engine.server import Server
from .errors import CloseCode, OriginRefused
from .filters.base import FilterBase
from .logs import configure_if_silent
from .protocol.forwarded import who_is
from .protocol.frames import encode_close
from .protocol.handshake import Headers, Policy, check_origin
from .server import Application, import_filters, only_websockets, refuse_redis
from .settings import Settings, from_environment
from .storage.base import BaseStorageObject
from .takeover import take_socket

_log = logging.getLogger("fws_gevent.server")


class FilteredWebSocketApplication(Server):
    """A WSGI callable that serves WebSockets with the engine, and the rest with `application`.

    The engine starts with the first request, in the worker's own process, so that gunicorn may
    load the application before it forks.
    """

    def __init__(
        self,
        settings: Settings,
        storage_object: BaseStorageObject | None = None,
        application: Application | None = None,
        filters: Sequence[type[FilterBase]] | None = None,
    ) -> None:
        super().__init__(settings, storage_object, filters)
        self.application = application or only_websockets
        self.policy = Policy(settings.allowed_origins, settings.subprotocols, deflate=False)
        self._proxies = settings.proxies
        self._pid: int | None = None
        self._drained: Event | None = None

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request of the worker's."""
        if self._pid is None:
            self.start(environ)
        websocket = environ.get("wsgi.websocket")
        if websocket is None:
            return self.application(environ, start_response)
        # The handler would close the socket for a websocket that it holds to be open.
        websocket.closed = True
        try:
            socket, early = take_socket(websocket.handler)
        except OSError as error:
            _log.debug("%s: lost before it opened: %s", environ.get("REMOTE_ADDR"), error)
            return []
        headers = _headers(environ)
        client = who_is(environ.get("REMOTE_ADDR", ""), headers, self._proxies)
        try:
            check_origin(headers, self.policy, client.host)
        except OriginRefused as refused:
            _refuse(socket, CloseCode.FORBIDDEN, str(refused))
            return []
        if self.at_capacity:
            _refuse(socket, CloseCode.TRY_AGAIN_LATER, "no room for more")
            return []
        port = int(environ.get("REMOTE_PORT") or 0)
        same = client.address == environ.get("REMOTE_ADDR")
        peer = Peer(
            environ["PATH_INFO"], (client.address, port if same else 0), self._agreed(headers)
        )
        self.adopt(socket, peer, Opening(environ, early))
        return []

    def app_protocol(self, _path: str) -> str | None:
        """gevent-websocket asks this for the one subprotocol that it may agree on."""
        return self.policy.subprotocols[0] if self.policy.subprotocols else None

    def _agreed(self, headers: Headers) -> str | None:
        wanted = self.app_protocol("")
        return wanted if wanted and wanted in headers.joined("sec-websocket-protocol") else None

    def start(self, environ: Mapping[str, Any]) -> None:
        """Begin to serve in this process, and see to it that it ends with Close frames."""
        self._pid = os.getpid()
        self.start_engine()
        self.announce()
        if environ.get("wsgi.multiprocess") and not self.storage_object.shared:
            warn_of_many_workers()
        # gunicorn's worker leaves on SIGTERM without a word to its WebSockets; the connections
        # are closed when the signal comes, and at exit, whichever is first.
        previous = signal.getsignal(signal.SIGTERM)

        def on_term(number: int, frame: FrameType | None) -> None:
            gevent.spawn(self.finish)
            if callable(previous):
                previous(number, frame)

        if callable(previous):
            signal.signal(signal.SIGTERM, on_term)
        atexit.register(self.finish)

    def finish(self) -> None:
        """Close every connection with 1001 within `grace`; waits if that has begun already."""
        if self._pid != os.getpid():
            return  # a fork inherited this
        if self._drained is not None:
            self._drained.wait(self.settings.grace)
            return
        self._drained = Event()
        _log.info("stopping: closing %d connections", len(self.users))
        self.drain(self.settings.grace)
        self._drained.set()


def build_application(
    application: Application | None = None,
    storage_object: BaseStorageObject | None = None,
    filters: Sequence[type[FilterBase]] | None = None,
    **settings: Any,
) -> FilteredWebSocketApplication:
    """The application to name in `wsgi.py`, with the settings of the FWS_… environment.

    `application` is the WSGI application for what is no WebSocket; `settings` go over the
    environment. Without FWS_FILTERS and without a filter defined so far it has the command's
    default filters. Raises ConfigurationError.
    """
    chosen = Settings(**{**from_environment(os.environ), **settings})
    configure_if_silent(chosen.log_level, chosen.log_format)
    nothing = filters is None and not any(base.filters for base in FilterBase.__subclasses__())
    import_filters(chosen.filters or (DEFAULT_FILTERS if nothing else ()))
    refuse_redis(chosen)
    return FilteredWebSocketApplication(chosen, storage_object, application, filters)


def warn_of_many_workers() -> None:
    """Say loudly what several processes without shared storage do to broadcasts."""
    _log.error(
        "SEVERAL WORKERS, STORAGE IN MEMORY: each worker has its own connections, groups and "
        "storage, so a broadcast reaches only the clients of one worker. Run one worker "
        "(gunicorn -w 1), or give them a shared storage object."
    )


def _headers(environ: Mapping[str, Any]) -> Headers:
    """The request's headers as the WSGI environ has them."""
    return Headers(
        (name[5:].replace("_", "-").lower(), value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    )


def _refuse(socket: Any, code: CloseCode, reason: str) -> None:
    """Close a WebSocket that was answered already: with a Close, as far as the kernel takes it."""
    _log.info("refused with %d: %s", code, reason)
    try:
        socket.send(encode_close(code, reason))
    except OSError as error:
        _log.debug("the refused client is gone: %s", error)
    socket.close()
