"""gunicorn's stock GeventWebSocketWorker, as the application meets it.

That worker has answered the upgrade (with gevent-websocket) before it asks the application, so a
client that may not come in gets a close code where other doors answer with an HTTP status. And
it ends on SIGTERM without a word to its WebSockets.
"""

from __future__ import annotations

import atexit
import logging
import signal
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import gevent

from .errors import CloseCode, HandshakeRefused
from .protocol.frames import encode_close
from .protocol.handshake import (
    BAD_REQUEST,
    UPGRADE_REQUIRED,
    Headers,
    Request,
    check_request,
    parse_headers,
    parse_request_line,
    split_target,
    wants_websocket,
)
from .takeover import take_socket

_log = logging.getLogger("fws_gevent.server")


def take_websocket(environ: Mapping[str, Any]) -> tuple[Any, bytes]:
    """The socket that the worker upgraded, and the bytes that came behind the request.

    Raises OSError if the client is gone already.
    """
    websocket = environ["wsgi.websocket"]
    # The handler would close the socket for a websocket that it holds to be open.
    websocket.closed = True
    handler = websocket.handler
    # And it would read what is left of a body, from a file that is closed by then.
    handler.wsgi_input.content_length, handler.wsgi_input.chunked_input = None, False
    return take_socket(handler)


def headers_of(environ: Mapping[str, Any]) -> Headers:
    """The request's headers as the WSGI environ has them."""
    return Headers(
        (name[5:].replace("_", "-").lower(), value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    )


def request_of(environ: Mapping[str, Any]) -> Request:
    """The head of a request that the worker upgraded, as far as its parser left it as it came.

    Raises HandshakeRefused for what that parser lets pass, and ours doesn't.
    """
    handler = environ["wsgi.websocket"].handler
    if handler.headers.defects:
        raise HandshakeRefused(BAD_REQUEST, "malformed headers")
    headers = parse_headers(f"{name}: {value}" for name, value in handler.headers.items())
    method, target, version = parse_request_line(handler.requestline)
    path, authority = split_target(method, target)
    request = Request(method, path, version, headers, authority)
    check_request(request)
    if not wants_websocket(headers):
        raise HandshakeRefused(UPGRADE_REQUIRED, "this is no request for a WebSocket")
    return request


def close_refused(socket: Any, refused: HandshakeRefused) -> None:
    """Close a WebSocket that was answered already: with a Close, as far as the kernel takes it."""
    code = refused.close_code or CloseCode.POLICY_VIOLATION
    _log.info("refused with %d: %s", code, refused)
    try:
        socket.send(encode_close(code, str(refused)))
    except OSError as error:
        _log.debug("the refused client is gone: %s", error)
    socket.close()


def finish_at_the_end(finish: Callable[[], None]) -> None:
    """Have `finish` called when SIGTERM comes, and waited for at exit."""
    previous = signal.getsignal(signal.SIGTERM)

    def on_term(number: int, frame: FrameType | None) -> None:
        gevent.spawn(finish)
        if callable(previous):
            previous(number, frame)

    if callable(previous):
        signal.signal(signal.SIGTERM, on_term)
    atexit.register(finish)
