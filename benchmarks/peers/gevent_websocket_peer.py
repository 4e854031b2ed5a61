"""Run gevent-websocket: echo at /, broadcast at /fan. Argument: PORT."""

# ruff: noqa: E402 - nothing may be imported before the patch

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gevent.pywsgi import WSGIServer
from geventwebsocket.exceptions import WebSocketError  # type: ignore[import,unused-ignore]
from geventwebsocket.handler import WebSocketHandler  # type: ignore[import,unused-ignore]

BACKLOG = 4096

listeners: set[Any] = set()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Serve one WebSocket, in its own greenlet, until it closes."""
    socket = environ.get("wsgi.websocket")
    if socket is None:
        start_response("426 Upgrade Required", [("Content-Length", "0")])
        return []
    serve = fan_out if environ["PATH_INFO"] == "/fan" else echo
    with suppress(WebSocketError):  # the client has closed the connection
        serve(socket)
    return []


def echo(socket: Any) -> None:
    """Send messages back."""
    while (message := socket.receive()) is not None:
        socket.send(message)


def fan_out(socket: Any) -> None:
    """Send messages to all other connections."""
    listeners.add(socket)
    try:
        while (message := socket.receive()) is not None:
            for other in tuple(listeners):
                if other is not socket:
                    other.send(message)
    finally:
        listeners.discard(socket)


def main() -> None:
    """Serve on the port in the first argument until ended by a signal."""
    address = ("127.0.0.1", int(sys.argv[1]))
    WSGIServer(
        address, application, handler_class=WebSocketHandler, log=None, backlog=BACKLOG
    ).serve_forever()


if __name__ == "__main__":
    main()
