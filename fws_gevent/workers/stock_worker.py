"""gunicorn's stock GeventWebSocketWorker, as the application finds it.

That worker has answered the upgrade (with gevent-websocket) before it asks the application, so a
client that may not come in gets a close code where other doors answer with an HTTP status. And
it ends on SIGTERM without a word to its WebSockets.
"""

from __future__ import annotations

import atexit
import signal
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any
from wsgiref.types import WSGIApplication

import gevent

from ..errors import CloseCode, HandshakeRefused, NoSuchPath
from ..logs.loggers import get_logger
from ..protocol.addresses import normal_address
from ..protocol.frames import encode_close
from ..protocol.handshake import (
    BAD_REQUEST,
    UPGRADE_REQUIRED,
    Request,
    check_request,
    parse_headers,
    parse_request_line,
    split_target,
    wants_websocket,
)
from ..protocol.peer import SocketPeer
from ..upgrade.takeover import take_socket

_log = get_logger("server")


def take_websocket(environ: Mapping[str, Any]) -> tuple[Any, bytes]:
    """Return the socket that the worker upgraded, and the bytes behind the request.

    Raises OSError if the client is gone already.
    """
    websocket = environ["wsgi.websocket"]
    # The handler would close the socket of a websocket that is marked open.
    websocket.closed = True
    handler = websocket.handler
    # And it would read the rest of a body, from a file that is closed by then.
    handler.wsgi_input.content_length, handler.wsgi_input.chunked_input = None, False
    return take_socket(handler)


def peer_at(handler: Any) -> SocketPeer:
    """Return the other end of a handler's socket; middleware may have changed REMOTE_ADDR."""
    address = handler.client_address
    host, port = address[:2] if isinstance(address, tuple) else ("", 0)
    return SocketPeer(normal_address(host), port, "https" if handler.server.ssl_enabled else "http")


def answer_of(handler: Any) -> list[tuple[str, str]]:
    """Return the headers of the worker's answer 101."""
    pairs: list[tuple[bytes, bytes]] = handler.response_headers
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]


def request_of(handler: Any) -> Request:
    """Return the head of a request that the worker upgraded, as far as its parser kept it.

    Raises HandshakeRefused for what that parser lets pass, and ours doesn't.
    """
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
    """Close a WebSocket that was answered already, with a Close if the kernel takes one."""
    code = refused.close_code or CloseCode.POLICY_VIOLATION
    _log.info("refused with %d: %s", code, refused)
    try:
        socket.send(encode_close(code, str(refused)))
    except OSError as error:
        _log.debug("the refused client is gone: %s", error)
    socket.close()


def pass_on(
    application: WSGIApplication, environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterator[bytes]:
    """Have `application` serve a WebSocket at another path than ours.

    Where it answers with an error instead, as for a path that it doesn't know, the WebSocket is
    closed with 1008.
    """
    websocket, statuses = environ["wsgi.websocket"], ["101"]

    def note(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        statuses.append(status)
        return start_response(status, headers, exc_info)

    answer = application(environ, note)
    try:
        yield from answer
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()
    if statuses[-1] >= "400" and not websocket.closed:
        try:
            socket, _ = take_websocket(environ)
        except OSError as error:
            _log.debug("lost before it was closed: %s", error)
            return
        close_refused(socket, NoSuchPath())


def last_answers(
    start_response: Callable[..., Any], from_now_on: Callable[[], bool] = lambda: True
) -> Callable[..., Any]:
    """Return a `start_response` whose answers are the last ones of their connections.

    `from_now_on` says so when an answer begins.
    """

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        if from_now_on():
            kept = [(name, value) for name, value in headers if name.lower() != "connection"]
            headers = [*kept, ("Connection", "close")]
        return start_response(status, headers, exc_info)

    return start


def finish_at_the_end(finish: Callable[[], None]) -> None:
    """Call `finish` on SIGTERM, and wait for it at exit."""
    previous = signal.getsignal(signal.SIGTERM)

    def on_term(number: int, frame: FrameType | None) -> None:
        gevent.spawn(finish)
        if callable(previous):
            previous(number, frame)

    if callable(previous):
        signal.signal(signal.SIGTERM, on_term)
    atexit.register(finish)
