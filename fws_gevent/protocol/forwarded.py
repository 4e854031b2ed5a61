"""Who a client is behind trusted proxies, by their X-Forwarded-* headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from .handshake import Headers

Network = IPv4Network | IPv6Network
UNIX = "unix"
"""The name of the peer at the other end of a socket file, among trusted proxies."""


@dataclass(frozen=True, slots=True)
class Client:
    """What the server holds for the client's address, scheme and host."""

    address: str
    scheme: str | None = None
    host: str | None = None


def parse_networks(entries: Sequence[str]) -> tuple[Network | str, ...]:
    """Addresses, networks ("10.0.0.0/8") and "unix" as `who_is` takes them. Raises ValueError."""
    return tuple(entry if entry == UNIX else ip_network(entry, strict=False) for entry in entries)


def who_is(peer: str, headers: Headers, trusted: Sequence[Network | str]) -> Client:
    """The client behind `peer`, the address of the socket's other end ("" on a socket file).

    Only a trusted peer's headers count. In X-Forwarded-For the client is the last address that
    no trusted proxy has: what is before it anybody could have written.
    """
    if not trusted or not _is_trusted(peer or UNIX, trusted):
        return Client(peer)
    address = peer
    for entry in reversed(_members(headers, "x-forwarded-for")):
        if _parse(entry) is None:
            break
        address = entry
        if not _is_trusted(entry, trusted):
            break
    scheme = _members(headers, "x-forwarded-proto")[-1:]
    host = _members(headers, "x-forwarded-host")[-1:]
    return Client(address, scheme[0].lower() if scheme else None, host[0] if host else None)


def _members(headers: Headers, name: str) -> list[str]:
    return [part.strip() for part in headers.joined(name).split(",") if part.strip()]


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _is_trusted(peer: str, trusted: Sequence[Network | str]) -> bool:
    if peer == UNIX:
        return UNIX in trusted
    address = _parse(peer)
    return address is not None and any(
        not isinstance(network, str) and address in network for network in trusted
    )
