"""The other end of a request's socket, as the entry point saw it before any middleware."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from .addresses import normal_address

PEER: Final = "fws_gevent.peer"
"""The WSGI environ's key for the `SocketPeer`.

Middleware such as werkzeug's ProxyFix rewrites REMOTE_ADDR, HTTP_HOST and wsgi.url_scheme. Trust
is decided on what stands here, which nothing else writes.
"""


class SocketPeer(NamedTuple):
    """The other end of a socket.

    The address is in its normal form, and "" on a socket file; the port is 0 where it has none.
    """

    address: str
    port: int
    scheme: str


def peer_of(environ: Mapping[str, Any]) -> SocketPeer:
    """Return the peer that the entry point put into `environ`.

    A server that is not ours puts none there: then it is what REMOTE_ADDR, REMOTE_PORT and
    wsgi.url_scheme say.
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
