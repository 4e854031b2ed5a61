"""The peer of a request's socket, as the entry point saw it before any middleware."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from .addresses import normal_address

PEER: Final = "fws_gevent.peer"
"""The WSGI environ's key for the `SocketPeer`.

Middleware such as werkzeug's ProxyFix rewrites REMOTE_ADDR, HTTP_HOST and wsgi.url_scheme, so
trust is decided by this key, which only the entry points write.
"""


class SocketPeer(NamedTuple):
    """The peer of a socket.

    The address is in its normal form, and "" on a Unix domain socket, where the port is 0.
    """

    address: str
    port: int
    scheme: str


def peer_of(environ: Mapping[str, Any]) -> SocketPeer:
    """Return the peer that the entry point put into `environ`.

    Other servers put none there: then it is made of REMOTE_ADDR, REMOTE_PORT and
    wsgi.url_scheme.
    """
    found: SocketPeer | None = environ.get(PEER)
    if found is not None:
        return found
    port = str(environ.get("REMOTE_PORT") or "")
    return SocketPeer(
        normal_address(environ.get("REMOTE_ADDR") or ""),
        int(port) if port.isascii() and port.isdigit() else 0,
        environ.get("wsgi.url_scheme") or "http",
    )
