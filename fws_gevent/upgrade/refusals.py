"""HTTP answers to requests that don't become a WebSocket."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..errors import HandshakeRefused, NoSuchPath
from ..logs.loggers import Repeats, get_logger
from ..protocol.handshake import UPGRADE_REQUIRED, upgrade_headers, wrong_method
from .environ import asks_for_websocket

_log = get_logger("server")

RIGHT_COMMAND = "run `flask fws run`, or gunicorn -k fws_gevent.worker.FilteredWebSocketWorker"


def only_websockets(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer plain HTTP where there is no other application: 426, and the reason.

    A WebSocket request reaches this application if its path has no WebSockets: 404.
    """
    if asks_for_websocket(environ):
        return refuse(NoSuchPath(), start_response)
    return _upgrade_required(
        "This is a WebSocket server: connect with ws:// or wss://.", start_response
    )


def cannot_upgrade(
    environ: dict[str, Any], start_response: Callable[..., Any], told: Repeats
) -> Iterable[bytes]:
    """Answer a WebSocket request under a WSGI server that can't upgrade it: 426, and a remedy.

    A request with a method other than GET is refused with 405, as every server does.
    """
    method = environ.get("REQUEST_METHOD", "GET")
    if method != "GET":
        return refuse(wrong_method(method), start_response)
    why = f"This server ({environ.get('SERVER_SOFTWARE', 'unknown')}) can't open WebSockets"
    if told.due():
        _log.error("%s: %s", why, RIGHT_COMMAND)
    return _upgrade_required(f"{why}: {RIGHT_COMMAND}.", start_response)


def _upgrade_required(why: str, start_response: Callable[..., Any]) -> Iterable[bytes]:
    return refuse(HandshakeRefused(UPGRADE_REQUIRED, why, upgrade_headers()), start_response)


def refuse(refused: HandshakeRefused, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with the status, the headers and the reason of a refusal."""
    headers, body = refusal(refused)
    start_response(refused.status, headers)
    return [body]


def refusal(refused: HandshakeRefused) -> tuple[list[tuple[str, str]], bytes]:
    """Return the headers and the body of the answer to a refused request."""
    body = f"{refused}\n".encode()
    headers = [
        *refused.headers,
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
    ]
    return headers, body
