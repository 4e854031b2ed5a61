"""The WSGI application for gunicorn, with our own worker or gevent-websocket's stock one.

Both parse the requests. With ours the application answers the upgrade, through the seam in
`upgrade`; the stock worker has answered it before. From there on it is the same engine as our
own server's.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gevent.event import Event
from gevent.monkey import is_module_patched

from .composition import (
    DEFAULT_FILTERS,
    Application,
    cannot_upgrade,
    import_filters,
    is_loopback,
    one_line_under_gunicorn,
    only_websockets,
    policy_of,
    refuse,
    storage_of,
    told_of_gaps,
    under_gunicorn,
    warn_of_many_workers,
)
from .engine.facts import Opening, Peer
from .engine.server import Server
from .errors import HandshakeRefused, NoRoom
from .filters.base import FilterBase
from .logs import configure_if_silent
from .protocol.addresses import normal_address
from .protocol.forwarded import Client
from .protocol.handshake import Headers, check_origin, negotiate, wants_websocket
from .protocol.paths import path_of
from .settings import Settings, from_keywords, from_process
from .stock_worker import (
    close_refused,
    finish_at_the_end,
    headers_of,
    request_of,
    take_websocket,
)
from .storage.base import BaseStorageObject
from .upgrade import UPGRADE, WORKER, NoSuchPath, Upgrade, Worker

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
        self.policy = policy_of(settings)
        self._worker: Worker | None = None
        self._pid: int | None = None
        self._drained: Event | None = None
        self.on_start: Callable[[Mapping[str, Any]], None] | None = None
        """Called with the first request, when all is ready."""

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request of the worker's."""
        if self._pid is None and is_module_patched("socket"):
            self.start(environ)
        if environ.get("wsgi.websocket") is not None:
            return self._open(environ)
        upgrade: Upgrade | None = environ.get(UPGRADE)
        if upgrade is not None:
            return self._answer(upgrade, environ, start_response)
        asks = "HTTP_UPGRADE" in environ and wants_websocket(headers_of(environ))
        if asks and self.node_at(path_of(environ["PATH_INFO"])) is not None:
            return cannot_upgrade(environ, start_response)
        return self.application(environ, start_response)

    # Our own worker.

    def _answer(
        self, upgrade: Upgrade, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Make a WebSocket of the request, or refuse it with an HTTP status."""
        try:
            request = upgrade.request
            client = self._who(environ, request.headers)
            path = path_of(environ["PATH_INFO"])
            node = self._admit(path, request.headers, client)
            accepted = negotiate(request, self.policy, client.host)
            claims = node.authenticate(request.headers, environ.get("QUERY_STRING", ""))
        except HandshakeRefused as refused:
            _log.debug("refused with %s: %s", refused.status, refused)
            return refuse(refused, start_response)
        try:
            socket, early = upgrade.take(accepted.headers)
        except OSError as error:
            _log.debug("%s: lost before it opened: %s", client.address, error)
            return []
        window_bits = accepted.deflate.window_bits if accepted.deflate else 0
        address = _address(environ, client)
        peer = Peer(path, address, accepted.subprotocol, window_bits, client.key)
        node.adopt(socket, peer, Opening(_for_filters(environ, client), early, claims))
        return []

    # The stock worker.

    def _open(self, environ: dict[str, Any]) -> Iterable[bytes]:
        """Take over what the worker made a WebSocket of, or close it with a code."""
        try:
            socket, early = take_websocket(environ)
        except OSError as error:
            _log.debug("%s: lost before it opened: %s", environ.get("REMOTE_ADDR"), error)
            return []
        headers = headers_of(environ)
        client = self._who(environ, headers)
        try:
            request = request_of(environ)
            path = path_of(environ["PATH_INFO"])
            node = self._admit(path, headers, client)
            negotiate(request, self.policy, client.host)
            claims = node.authenticate(headers, environ.get("QUERY_STRING", ""))
        except HandshakeRefused as refused:
            close_refused(socket, refused)
            return []
        peer = Peer(path, _address(environ, client), self._agreed(headers), 0, client.key)
        node.adopt(socket, peer, Opening(environ, early, claims))
        return []

    def app_protocol(self, _path: str) -> str:
        """gevent-websocket asks this for the one subprotocol that it may agree on."""
        return self.policy.subprotocols[0]

    def _agreed(self, headers: Headers) -> str | None:
        wanted = self.app_protocol("")
        return wanted if wanted in headers.listed("sec-websocket-protocol") else None

    # Both.

    def _who(self, environ: Mapping[str, Any], headers: Headers) -> Client:
        return self.forwarding.client_of(environ.get("REMOTE_ADDR") or "", headers)

    def _admit(self, path: str, headers: Headers, client: Client) -> Server:
        """The node for a client that asks for a WebSocket. Raises HandshakeRefused for others."""
        worker = self._worker
        node = self.node_at(path)
        if node is None:
            raise NoSuchPath
        if worker is not None and worker.connections > worker.capacity:
            raise NoRoom
        node.admission.check(client.key)
        check_origin(headers, self.policy, client.host)
        return node

    def start(self, environ: Mapping[str, Any]) -> None:
        """Begin to serve in this process, and see to it that it ends with Close frames."""
        several = bool(environ.get("wsgi.multiprocess"))
        self.settle_keys(alone=not several and is_loopback(environ.get("SERVER_NAME", "")))
        self.tokens.several_processes = several
        self._pid = os.getpid()
        self.start_engine()
        self.announce()
        if several and not self.storage_object.shared:
            warn_of_many_workers()
        self._worker = environ.get(WORKER)
        if self._worker is not None:
            self.admission.capacity = min(self.admission.capacity, self._worker.capacity)
            self._worker.serving(self)
        else:
            finish_at_the_end(self.finish)
            _log.warning(
                "gunicorn's stock worker: silent and dripping clients are not dropped, and some "
                "malformed requests taken (docs/security.md); our own worker does better"
            )
        if self.on_start is not None:
            self.on_start(environ)

    def finish(self, grace: float | None = None) -> None:
        """Close every connection with 1001 within `grace` seconds, the setting's by default.

        Whoever calls it again waits until that is done.
        """
        if self._pid != os.getpid():
            return  # a fork inherited this
        seconds = self.settings.grace if grace is None else grace
        if self._drained is not None:
            self._drained.wait(seconds)
            if self.users or self.pending:  # they came in meanwhile, and were told 1001 at once
                self.drain(seconds)
            return
        self._drained = Event()
        _log.info("stopping: closing %d connections", len(self.users))
        self.drain(seconds)
        self._drained.set()


def build_application(
    application: Application | None = None,
    storage_object: BaseStorageObject | None = None,
    filters: Sequence[type[FilterBase]] | None = None,
    **settings: Any,
) -> FilteredWebSocketApplication:
    """The application to name in `wsgi.py`, with the settings of the FWS_… environment.

    `application` is the WSGI application for what is no WebSocket; `settings` go over the
    environment and the file that FWS_CONFIG names. Without FWS_FILTERS and without a filter
    defined so far it has the command's default filters. Raises ConfigurationError.
    """
    with one_line_under_gunicorn():
        chosen = Settings(**{**from_process(os.environ), **from_keywords(settings)})
        configure_if_silent(chosen.log_level, chosen.log_format)
        nothing = filters is None and not any(base.filters for base in FilterBase.__subclasses__())
        import_filters(chosen.filters or (DEFAULT_FILTERS if nothing else ()))
        storage_object = storage_of(chosen, storage_object)
        filters = told_of_gaps(storage_object, filters)
        node = FilteredWebSocketApplication(chosen, storage_object, application, filters)
        if under_gunicorn():
            node.settle_keys(alone=False)
        return node


def _address(environ: Mapping[str, Any], client: Client) -> tuple[str, int]:
    """Address and port of the client; the port is unknown (0) behind a proxy."""
    port = environ.get("REMOTE_PORT") or ""
    peer = normal_address(environ.get("REMOTE_ADDR") or "")
    known = client.address == peer and port.isdecimal()
    return client.address, int(port) if known else 0


def _for_filters(environ: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """The environ that connect filters get: without the seam, the client as proxies name it."""
    mine = {name: value for name, value in environ.items() if name not in (UPGRADE, WORKER)}
    mine["REMOTE_ADDR"] = client.address
    if client.scheme is not None:
        mine["wsgi.url_scheme"] = client.scheme
    if client.host is not None:
        mine["HTTP_HOST"] = client.host
    return mine
