"""What a new connection is given of its upgrade request."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..tokens import Claims


class PeerInfo(NamedTuple):
    """The facts of a client that stay with its connection.

    `window_bits` is what was agreed on for deflate, 0 without it. `address_key` is the key by which
    limits per address count the client, "" if they leave it out.
    """

    path: str
    remote_address: tuple[str, int]
    subprotocol: str | None = None
    window_bits: int = 0
    address_key: str = ""


class UpgradeContext(NamedTuple):
    """The parts of an upgrade request that a connection uses up when it opens.

    `environ` is the `data` of the connect event, `early` are bytes that came behind the request,
    `claims` those of its token.
    """

    environ: dict[str, Any]
    early: bytes = b""
    claims: Claims | None = None
