"""The place of a Flask application's `wsgi_app`: between its middleware and itself."""

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


class Door:
    """`app.wsgi_app` under gunicorn: WebSockets to the engine, the rest to the application.

    `node` does both; `application` is what was there before.
    """

    def __init__(self, node: WSGIApplication, application: WSGIApplication) -> None:
        self.application = application
        self._node = node
        self._inner = node
        self._told = False

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Answer one request."""
        if SERVED in environ and self._inner is self._node:
            return self._not_served(start_response)
        return self._inner(environ, start_response)

    def close(self) -> None:
        """Another server has the WebSockets: only the application is left behind this."""
        self._inner = self.application

    def _not_served(self, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer 500: our own server has not found this application behind what wraps it.

        It serves WebSockets without what this application's settings ask for.
        """
        if not self._told:
            self._told = True
            _log.error(
                "the server doesn't know the FilteredWebSocket of this application: make the "
                "application before build_server, and give it to that"
            )
        why = "the server doesn't know the FilteredWebSocket of this application"
        return refuse(HandshakeRefused("500 Internal Server Error", why), start_response)
