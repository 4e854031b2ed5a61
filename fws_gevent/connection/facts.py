"""What is known of a connection at its beginning and at its end."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..tokens import Claims


class Closed(NamedTuple):
    """What disconnect filters get as `data`."""

    code: int
    reason: str


class Peer(NamedTuple):
    """What is known of a client from its upgrade request; `window_bits` is deflate's, 0 without.

    `address_key` is the key by which limits per address count it, "" if they leave it out.
    """

    path: str
    remote_address: tuple[str, int]
    subprotocol: str | None = None
    window_bits: int = 0
    address_key: str = ""


class Opening(NamedTuple):
    """What a new connection starts with: its WSGI environ, bytes that came along, its claims."""

    environ: dict[str, Any]
    early: bytes = b""
    claims: Claims | None = None
