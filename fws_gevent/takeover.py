"""Taking a socket over from the WSGI handler that answered its upgrade.

gevent's handler closes, and may read from, the socket that it holds when the request ends; after
this it holds none, and neither environ nor handler nor buffered reader stays behind a WebSocket.
"""

from __future__ import annotations

import _socket
import socket as sockets
import ssl
from typing import Any

from gevent.ssl import SSLSocket

from .engine.transport import SecureSocket


def take_socket(handler: Any) -> tuple[Any, bytes]:
    """The handler's socket, non-blocking, and the bytes that it read past the request.

    `handler` is a `gevent.pywsgi.WSGIHandler` inside a request. Raises OSError if the client
    is gone already.
    """
    socket = handler.socket
    socket.settimeout(0)  # first, or peek() would wait for bytes where none are buffered
    try:
        early = handler.rfile.peek()
    except ssl.SSLWantReadError:
        early = b""
    # A filter that keeps the environ would keep this file, and with it the socket, open.
    handler.rfile.close()
    if socket.family in (sockets.AF_INET, sockets.AF_INET6):
        socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
    handler.socket = None
    if isinstance(socket, SSLSocket):
        return SecureSocket(socket), early
    # A bare socket: gevent's own carries two watchers, and here the reactor waits.
    family, kind, protocol = socket.family, socket.type, socket.proto
    taken = _socket.socket(family, kind, protocol, socket.detach())
    taken.setblocking(False)
    return taken, early
