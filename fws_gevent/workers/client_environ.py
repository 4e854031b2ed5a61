"""The client of a request that a gunicorn worker has parsed, as connections know it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..protocol.forwarded import Client
from ..protocol.handshake import Request
from ..protocol.peer import PEER, SocketPeer
from ..upgrade.contract import UPGRADE, WORKER

_WORKERS_OWN = (UPGRADE, WORKER, "wsgi.websocket", "gunicorn.socket")


def address_of(peer: SocketPeer, client: Client) -> tuple[str, int]:
    """Return the address and port of the client; the port is unknown (0) behind a proxy."""
    return client.address, peer.port if client.address == peer.address else 0


def environ_for_filters(
    environ: Mapping[str, Any], request: Request, peer: SocketPeer, client: Client
) -> dict[str, Any]:
    """Return the environ for connect filters, which is the same in each way of serving.

    It lacks the worker's objects, and has the address, scheme and host of the client that
    admission has used, also if middleware has changed them.
    """
    mine = {name: value for name, value in environ.items() if name not in _WORKERS_OWN}
    mine["REMOTE_ADDR"], mine[PEER] = client.address, peer
    mine["wsgi.url_scheme"] = client.scheme or peer.scheme
    host = client.host or request.host
    if host is not None:
        mine["HTTP_HOST"] = host
    return mine
