"""The Flask extension: WebSockets, tokens and the status page beside an application's own views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakSet

from flask import Flask, current_app, has_app_context
from werkzeug.wsgi import get_current_url

from .application import FilteredWebSocketApplication
from .clock import SYSTEM_CLOCK, Clock
from .errors import CloseCode, ConfigurationError
from .filters.base import FilterBase
from .filters.registry import defined_filters
from .node.node import Node
from .protocol.payload import Data
from .signals import Member
from .startup.flask_settings import settings_for
from .startup.middleware import WebSocketMiddleware
from .startup.node import settle_keys
from .startup.parts import parts_of
from .startup.wrapped import EXTENSION, flask_app_in
from .storage.base import BaseStorageObject
from .tokens import Tokens
from .tokens.claims import group_of
from .web.contexts import contexts_of
from .web.for_views import TokensForViews
from .web.service import WebService
from .web.site import add_pages, service_of
from .workers.environment import one_line_under_gunicorn, under_gunicorn

__all__ = ["FilteredWebSocket"]

_PARTS = "fws.parts"  # the key of these in `app.extensions`


class Parts(NamedTuple):
    """The parts of a server that an extension was given."""

    storage_object: BaseStorageObject | None
    filters: Sequence[type[FilterBase]]
    clock: Clock


class FilteredWebSocket(TokensForViews):
    """WebSockets for a Flask application: `fws = FilteredWebSocket(app)`, or `init_app` later.

    The settings are `app.config["FWS_…"]`, which override the environment's `FWS_…`.

    Args:
        app: The application; without one, call `init_app`.
        storage_object: The storage that filters share; by default that of the settings.
        filters: The filters of the server; by default all that are defined.
        clock: The clock of the server, which a test may replace.

    Raises:
        ConfigurationError: See `init_app`.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        storage_object: BaseStorageObject | None = None,
        filters: Sequence[type[FilterBase]] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._storage_object = storage_object
        self._filters = filters
        self._apps: WeakSet[Flask] = WeakSet()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Serve WebSockets beside an application, and its tokens and status page under /fws/.

        Args:
            app: The application.

        Raises:
            ConfigurationError: A setting is wrong, or the application has the extension already.
                Under gunicorn this ends the worker, with one line in the log.
        """
        with one_line_under_gunicorn():
            if EXTENSION in app.extensions:
                raise ConfigurationError(f"{app.name} has a FilteredWebSocket already")
            settings = settings_for(app)
            filters = defined_filters() if self._filters is None else self._filters
            given = Parts(self._storage_object, filters, self._clock)
            storage, filters = parts_of(settings, *given[:2])
            served = FilteredWebSocketApplication(
                settings, storage, app.wsgi_app, filters, contexts_of(app),
                lambda environ: service.say_link(get_current_url(dict(environ), host_only=True)),
                self._clock,
            )  # fmt: skip
            if under_gunicorn():
                settle_keys(served.node, alone=False)
            service = add_pages(app, served.node, self._hooks)
        app.extensions[EXTENSION], app.extensions[_PARTS] = self, given
        self._apps.add(app)
        middleware = WebSocketMiddleware(served, served.application)
        service.bypass_middleware = middleware.bypass
        app.wsgi_app = middleware  # type: ignore[method-assign]  # Flask's own seam
        # gevent-websocket asks the application that gunicorn has for the subprotocol.
        app.app_protocol = served.app_protocol  # type: ignore[attr-defined]

    # For views.

    @property
    def _web(self) -> WebService:
        """The pages of the current application, or of the only one.

        Raises:
            RuntimeError: There are several applications, and none is the current one.
        """
        if has_app_context():
            app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - Flask's documented way
            if app in self._apps:
                return service_of(app)
        if len(self._apps) != 1:
            raise RuntimeError(
                "which application's server is meant? call init_app(app), and use "
                "`with app.app_context():` outside of its views"
            )
        return service_of(next(iter(self._apps)))

    @property
    def server(self) -> Node:
        """The node: its `users`, `groups`, `storage_object` and `queue`."""
        return self._web.node

    @property
    def tokens(self) -> Tokens:
        """The tokens, to issue and to check them."""
        return self._web.tokens

    def broadcast(self, data: Data, group: str | None = None) -> None:
        """Send a message to all connections, or to those in a group, on all nodes.

        This, `send`, `disconnect` and `members` may be called from any thread, also from native
        threads. Before the server starts, and after its end, it has no connections.

        Args:
            data: A `str` is sent as text, bytes as binary, and a `Message` as its kind.
            group: The group; None stands for all connections.

        Raises:
            PublishFailed: Redis has not confirmed the message.
            GroupNameInvalid: The group can't be one.
            TypeError: The data is of another type.
            NotServing: The server ended during a call from another thread.
        """
        self.server.broadcast(data, group)

    def send(self, data: Data, *, to: str) -> None:
        """Send a message to all connections of a subject, on all nodes.

        Args:
            data: See `broadcast`.
            to: The subject, as its tokens name it.

        Raises:
            PublishFailed: See `broadcast`; the other errors too.
        """
        self.broadcast(data, group_of(to))

    def send_to(self, subject: str, data: Data) -> None:
        """Send a message to all connections of a subject: another form of `send`.

        Args:
            subject: The subject, as its tokens name it.
            data: See `broadcast`.
        """
        self.send(data, to=subject)

    def disconnect(
        self,
        *,
        subject: str | None = None,
        id: str | None = None,  # noqa: A002 - the name of a connection's attribute
        code: int = CloseCode.NORMAL,
        reason: str = "disconnected by the application",
    ) -> int:
        """Close all connections of a subject, or one connection, on all nodes.

        A client whose token is still valid may connect again; `revoke` ends the token.

        Args:
            subject: The subject of the connections.
            id: The id of the connection.
            code: The close code.
            reason: The reason, up to 123 bytes of UTF-8.

        Returns:
            The number of connections that are closed. A connection of another node, given by its
            id, counts as 0.

        Raises:
            TypeError: Neither or both of subject and id are given.
            PublishFailed: The other nodes can't be told.
            StorageAway: They were told, but the number is not known.
        """
        return self.server.disconnect(subject=subject, id=id, code=code, reason=reason)

    def members(self, group: str) -> list[Member]:
        """Return the members of a group, on all nodes.

        Args:
            group: The name of the group.

        Raises:
            StorageAway: The members on other nodes are not known now.
            GroupNameInvalid: The group can't be one.
        """
        return self.server.members(group)


def parts_given(app: Flask) -> Parts:
    """Return the parts that the extension of an application was given for its server."""
    found: Parts = app.extensions[_PARTS]
    return found


def extension_of(application: object) -> FilteredWebSocket | None:
    """Return the extension of a Flask application, also behind middleware, or None.

    Raises ConfigurationError if `application` leads to several of them.
    """
    app = flask_app_in(application)
    return None if app is None else app.extensions[EXTENSION]
