"""The facts of an upgrade request that a new connection is given."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..tokens import Claims


class PeerInfo(NamedTuple):
    """The facts that a connection keeps of its client.

    `window_bits` is the window that was agreed on for deflate, 0 without deflate. `address_key` is
    the key by which limits per address count the client, or "" if they do not count it.
    """

    path: str
    remote_address: tuple[str, int]
    subprotocol: str | None = None
    window_bits: int = 0
    address_key: str = ""


class UpgradeContext(NamedTuple):
    """The facts that a connection needs only to open.

    `environ` is the `data` of the connect event, `early` the bytes that came behind the request,
    `claims` those of its token, if it had one.
    """

    environ: dict[str, Any]
    early: bytes = b""
    claims: Claims | None = None
