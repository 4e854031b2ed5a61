"""The WSGI middleware at a Flask application's `wsgi_app`, which serves its WebSockets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final
from wsgiref.types import WSGIApplication

from ..errors import HandshakeRefused
from ..logs.loggers import get_logger
from ..upgrade.refusals import refuse

SERVED: Final = "fws_gevent.served"
"""The environ's key by which our own server says that it serves the WebSockets."""

_log = get_logger("server")


class WebSocketMiddleware:
    """`app.wsgi_app` under gunicorn: the node serves WebSockets, the application the rest.

    Args:
        node: Answers each request, with `application` those that don't ask for a WebSocket.
        application: The `wsgi_app` that was there before.
    """

    def __init__(self, node: WSGIApplication, application: WSGIApplication) -> None:
        self.application = application
        self._node = node
        self._inner = node
        self._told = False

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Answer one request."""
        if SERVED in environ and self._inner is self._node:
            return self._refuse(start_response)
        return self._inner(environ, start_response)

    def bypass(self) -> None:
        """Pass each request to the application from now on: our own server has the WebSockets."""
        self._inner = self.application

    def _refuse(self, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer 500: our own server has not found this application behind its other middleware.

        That server accepts WebSockets without the settings of this application, such as its auth.
        """
        if not self._told:
            self._told = True
            _log.error(
                "the server doesn't know the FilteredWebSocket of this application: make the "
                "application before build_server, and give it to that"
            )
        why = "the server doesn't know the FilteredWebSocket of this application"
        return refuse(HandshakeRefused("500 Internal Server Error", why), start_response)
