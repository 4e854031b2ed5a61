"""The WSGI application for gunicorn, with our own worker or gevent-websocket's stock one.

Both parse the requests. With ours the application answers the upgrade, through the seam in
`upgrade`; the stock worker has answered it before. From there on both do
the same as our own server.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Context
from typing import Any
from wsgiref.types import WSGIApplication

from gevent.event import Event
from gevent.monkey import is_module_patched

from .clock import SYSTEM_CLOCK, Clock
from .connection.upgrade_context import PeerInfo, UpgradeContext
from .errors import ConfigurationError, HandshakeRefused, NoRoom
from .filters.base import FilterBase
from .filters.registry import defined_filters
from .logs.loggers import Repeats, get_logger
from .node.admission import Admission, Admitted
from .node.events import NO_CONTEXTS, Contexts
from .node.facade import NodeFacade
from .protocol.addresses import is_loopback
from .protocol.forwarded import Client
from .protocol.handshake import Request
from .protocol.paths import path_of
from .protocol.peer import SocketPeer, peer_of
from .settings import Settings
from .startup.filters import DEFAULT_FILTERS
from .startup.node import make_node, settle_keys
from .startup.parts import parts_of
from .startup.wrapped import flask_app_in
from .storage.base import BaseStorageObject
from .upgrade.contract import UPGRADE, WORKER, Upgrade, Worker
from .upgrade.environ import asks_for_websocket, mend
from .upgrade.refusals import cannot_upgrade, only_websockets, refuse
from .workers.client_environ import address_of, environ_for_filters
from .workers.environment import (
    one_line_under_gunicorn,
    under_gunicorn,
    warn_of_many_workers,
    warn_of_unused_tls,
    workers_of_gunicorn,
)
from .workers.stock_server import enter_stock_servers
from .workers.stock_worker import (
    answer_of,
    close_refused,
    finish_at_the_end,
    last_answers,
    pass_on,
    peer_at,
    request_of,
    take_websocket,
)

_log = get_logger("server")


class FilteredWebSocketApplication(NodeFacade):
    """A WSGI application with a node for WebSockets; other requests go to `application`.

    The node starts with the first request, in the worker's own process, so that gunicorn may load
    the application before it forks.

    Args:
        settings: The settings.
        storage_object: The storage that filters share.
        application: The WSGI application for all other requests.
        filters: The filters of the node; by default all that are defined.
        contexts: The contexts of a Flask application around events.
        on_start: Called at the first request, with its environ.
    """

    def __init__(
        self,
        settings: Settings,
        storage_object: BaseStorageObject | None = None,
        application: WSGIApplication | None = None,
        filters: Sequence[type[FilterBase]] | None = None,
        contexts: Contexts = NO_CONTEXTS,
        on_start: Callable[[Mapping[str, Any]], None] = lambda _environ: None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.node = make_node(settings, storage_object, filters, contexts, clock)
        self.node.server = self
        self.application = application or only_websockets
        self._on_start = on_start
        self._worker: Worker | None = None
        self._pid: int | None = None
        self._repeats = Repeats(_log, clock=clock)
        self._drained: Event | None = None
        self._warned_of_many = False
        if workers_of_gunicorn() > 1:
            self._warn_of_many_workers()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request of the worker."""
        if self._pid is None and is_module_patched("socket"):
            self.start(environ)
        upgrade: Upgrade | None = environ.get(UPGRADE)
        websocket = environ.get("wsgi.websocket")
        if WORKER not in environ:
            mend(environ, environ["PATH_INFO"])
        admission = self.node.admission_at(path_of(environ["PATH_INFO"]))
        if admission is not None:
            if upgrade is not None:
                return self._answer(admission, upgrade, environ, start_response)
            if websocket is not None:
                return self._open(admission, environ, start_response)
            if asks_for_websocket(environ):  # bytes after it may not be a request
                return cannot_upgrade(environ, last_answers(start_response), self._repeats)
        elif websocket is not None:
            return pass_on(self.application, environ, start_response)
        if WORKER not in environ:
            start_response = last_answers(start_response, lambda: self.node.draining)
        return self.application(environ, start_response)

    # Our own worker.

    def _answer(
        self,
        admission: Admission,
        upgrade: Upgrade,
        environ: dict[str, Any],
        start_response: Callable[..., Any],
    ) -> Iterable[bytes]:
        """Open a WebSocket, or refuse it with an HTTP status."""
        peer = peer_of(environ)
        try:
            request = upgrade.request
            client, (accepted, claims) = self._admit(admission, request, peer)
        except HandshakeRefused as refused:
            _log.debug("refused with %s: %s", refused.status, refused)
            return refuse(refused, start_response)
        try:
            socket, early = upgrade.take(accepted.headers, start_response)
        except OSError as error:
            _log.debug("%s: lost before it opened: %s", client.address, error)
            return []
        window_bits = accepted.deflate.window_bits if accepted.deflate else 0
        path, address = path_of(environ["PATH_INFO"]), address_of(peer, client)
        known = PeerInfo(path, address, accepted.subprotocol, window_bits, client.key)
        context = UpgradeContext(environ_for_filters(environ, request, peer, client), early, claims)
        admission.enter(socket, known, context)
        return []

    # The stock worker.

    def _open(
        self, admission: Admission, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Take over a WebSocket that the worker has opened, or close it with a code."""
        handler = environ["wsgi.websocket"].handler
        peer, answered = peer_at(handler), answer_of(handler)
        try:
            socket, early = take_websocket(environ)
        except OSError as error:
            _log.debug("%s: lost before it opened: %s", peer.address, error)
            return []
        start_response("101 Switching Protocols", answered)  # for middleware: it has been sent
        try:
            request = request_of(handler)
            client, (_, claims) = self._admit(admission, request, peer)
        except HandshakeRefused as refused:
            close_refused(socket, refused)
            return []
        subprotocol = dict(answered).get("Sec-WebSocket-Protocol")
        path, address = path_of(environ["PATH_INFO"]), address_of(peer, client)
        known = PeerInfo(path, address, subprotocol, 0, client.key)
        context = UpgradeContext(environ_for_filters(environ, request, peer, client), early, claims)
        # The worker's greenlet has the context of all requests on its connection.
        Context().run(admission.enter, socket, known, context)
        return []

    def app_protocol(self, _path: str) -> str:
        """Return the subprotocol that gevent-websocket may negotiate.

        Args:
            _path: The path of the request.

        Returns:
            The preferred subprotocol.
        """
        return self.node.admission.policy.subprotocols[0]

    # Both.

    def _admit(
        self, admission: Admission, request: Request, peer: SocketPeer
    ) -> tuple[Client, Admitted]:
        """Return the client behind `peer`, and what it is granted. Raises HandshakeRefused."""
        client = self.node.forwarding.client_of(peer.address, request.headers)
        return client, admission.admit(request, client, self._check_worker)

    def _check_worker(self) -> None:
        worker = self._worker
        if worker is not None and worker.connections > worker.capacity:
            raise NoRoom

    def start(self, environ: Mapping[str, Any]) -> None:
        """Begin to serve in this process, and send Close frames at its end.

        Args:
            environ: The environ of the first request.
        """
        several = bool(environ.get("wsgi.multiprocess"))
        settle_keys(self.node, alone=not several and is_loopback(environ.get("SERVER_NAME", "")))
        self.tokens.several_processes = several
        self._pid = os.getpid()
        self._worker = environ.get(WORKER)
        if self._worker is None:
            enter_stock_servers(self.app_protocol)  # first: in a forked child it needs the loop
        self.node.start()
        self.node.announce()
        warn_of_unused_tls(self.settings, environ.get("wsgi.url_scheme", "http"))
        if several:
            self._warn_of_many_workers()
        if self._worker is not None:
            limits = self.node.admission.limits
            limits.capacity = min(limits.capacity, self._worker.capacity)
            self._worker.serving(self)
        else:
            finish_at_the_end(self.finish)
            _log.warning(
                "gunicorn's stock worker: silent and dripping clients are not dropped, and some "
                "malformed requests taken (docs/security.md); our own worker does better"
            )
        self._on_start(environ)

    def _warn_of_many_workers(self) -> None:
        if not self.node.broker.shared and not self._warned_of_many:
            self._warned_of_many = True
            warn_of_many_workers()

    def finish(self, grace: float | None = None) -> None:
        """Close all connections with 1001. A second call waits for the first.

        Args:
            grace: The seconds to do so, by default those of the setting.
        """
        if self._pid != os.getpid():
            return  # a fork inherited this
        seconds = self.settings.grace if grace is None else grace
        if self._drained is not None:
            self._drained.wait(seconds)
            if self.node.open_connections():  # they came meanwhile, and were told 1001 at once
                self.node.drain(seconds)
            return
        self._drained = Event()
        _log.info("stopping: closing %d connections", len(self.users))
        self.node.drain(seconds)
        self.node.print.drain()
        self._drained.set()


def build_application(
    application: WSGIApplication | None = None,
    storage_object: BaseStorageObject | None = None,
    filters: Sequence[type[FilterBase]] | None = None,
    **settings: Any,
) -> FilteredWebSocketApplication:
    """Return the application for `wsgi.py`, with the settings of the FWS_… environment.

    Args:
        application: The WSGI application for requests other than WebSockets.
        storage_object: The storage that filters share; by default that of the settings.
        filters: The filters. By default those that are defined or named by FWS_FILTERS, or else
            the default filters of `fws_server`.
        settings: Settings that override the environment and the file of FWS_CONFIG.

    Returns:
        The application.

    Raises:
        ConfigurationError: A setting is wrong, or `application` is a Flask application with the
            extension.
    """
    with one_line_under_gunicorn():
        app = flask_app_in(application)
        if app is not None:
            raise ConfigurationError(
                f"{app.name} has a FilteredWebSocket, whose settings build_application doesn't "
                "have: name the Flask application itself to gunicorn"
            )
        chosen = Settings.load(**settings)
        modules = () if filters is not None or defined_filters() else DEFAULT_FILTERS
        storage, filters = parts_of(chosen, storage_object, filters, modules=modules)
        made = FilteredWebSocketApplication(chosen, storage, application, filters)
        if under_gunicorn():
            settle_keys(made.node, alone=False)
        return made
