"""Flask applications with the extension, served by our own server, and a browser's requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any, NamedTuple

import gevent
from flask import Flask

from fws_gevent.server import FilteredWebSocketServer, build_server

from .clients import PATIENCE

Make = Callable[..., FilteredWebSocketServer]


class Page(NamedTuple):
    """An answer, and the cookie that a browser keeps."""

    status: int
    cookie: str
    body: str


def get(server: FilteredWebSocketServer | int, path: str, cookie: str = "") -> Page:
    """Send a GET over a new connection."""
    return ask(server, "GET", path, {"Cookie": cookie} if cookie else {})


def ask(
    server: FilteredWebSocketServer | int, method: str, path: str, headers: dict[str, str]
) -> Page:
    """Send one request without a body."""
    port = server if isinstance(server, int) else server.server_port
    http = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        http.request(method, path, headers=headers)
        answer = http.getresponse()
        cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
        return Page(answer.status, cookie, answer.read().decode())
    finally:
        http.close()


def flask_app(name: str = "site", **settings: Any) -> Flask:
    """Return a Flask application with these settings."""
    app = Flask(name)
    app.secret_key = "for cookies"
    given = {"port": 0, "grace": 2.0, **settings}
    app.config.update({f"FWS_{each.upper()}": value for each, value in given.items()})
    return app


def serving() -> Iterator[Make]:
    """Serve applications that have the extension; for a fixture."""
    servers: list[FilteredWebSocketServer] = []

    def start(app: Flask) -> FilteredWebSocketServer:
        server = build_server(application=app)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        with gevent.Timeout(20):
            server.stop(timeout=0.2)
