"""The takeover of a socket from the handler that answered its upgrade, gevent's or gunicorn's.

A handler closes its socket when the request ends, and may read from it. After the takeover it has
none, and neither environ, handler nor buffered reader is kept for a WebSocket.
"""

from __future__ import annotations

import _socket
import socket as sockets
import ssl
from typing import Any

from gevent.ssl import SSLSocket

from ..connection.tls import SecureSocket


def take_socket(handler: Any) -> tuple[Any, bytes]:
    """Return the handler's socket, non-blocking, and the bytes that it read past the request.

    `handler` is a `gevent.pywsgi.WSGIHandler` inside a request. Raises OSError if the client is
    gone already.
    """
    socket = handler.socket
    early = unread(handler)
    # A filter that keeps the environ would keep this file, and with it the socket, open.
    handler.rfile.close()
    taken = for_the_reactor(socket)
    handler.socket = None
    return taken, early


def unread(handler: Any) -> bytes:
    """Return the bytes that the handler's file has read past the request, or can read at once.

    The socket is non-blocking afterwards. Raises OSError if the client is gone already.
    """
    handler.socket.settimeout(0)  # or peek() would wait for bytes where none are buffered
    try:
        early: bytes = handler.rfile.peek()
    except ssl.SSLWantReadError:
        early = b""
    return early


def for_the_reactor(socket: Any) -> Any:
    """Return a gevent socket as a connection needs it: non-blocking, and out of its owner's hands.

    Raises OSError if the client is gone already.
    """
    if socket.family in (sockets.AF_INET, sockets.AF_INET6):
        socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
    if isinstance(socket, SSLSocket):
        return SecureSocket(socket)
    # A bare socket: gevent's own carries two watchers, and here the reactor waits.
    family, kind, protocol = socket.family, socket.type, socket.proto
    taken = _socket.socket(family, kind, protocol, socket.detach())
    taken.setblocking(False)
    return taken
