"""The pages of an application: added to it, found again, and handed over to another node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from wsgiref.types import WSGIApplication

from flask import Flask

from .._version import __version__
from ..node.node import Node
from .blueprint import PREFIX, make_blueprint
from .grants import Hooks
from .service import KEY, WebService


def add_pages(app: Flask, node: Node, hooks: Hooks) -> WebService:
    """Serve the pages of a node under /fws/ of an application. Raises ConfigurationError."""
    service = WebService(app.name, node, __version__, hooks)
    app.extensions[KEY] = service
    app.register_blueprint(make_blueprint())
    return service


def service_of(app: Flask) -> WebService:
    """Return the service behind the pages of an application."""
    found: WebService = app.extensions[KEY]
    return found


def hand_over(app: Flask, node: Node) -> WebService:
    """Show the node of our own server, which takes the WebSockets of an application over.

    Raises ConfigurationError.
    """
    service = service_of(app)
    service.serve(node)
    service.bypass_middleware()
    return service


def with_pages(application: WSGIApplication, node: Node) -> tuple[WSGIApplication, WebService]:
    """Return a WSGI application with a node's pages under /fws/, and `application` elsewhere."""
    pages = Flask("fws_gevent", static_folder=None)
    service = add_pages(pages, node, Hooks())

    def dispatch(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        inner = pages if environ["PATH_INFO"].startswith(f"{PREFIX}/") else application
        return inner(environ, start_response)

    return dispatch, service
