"""Who a client is behind trusted proxies, by their X-Forwarded-* headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from .addresses import Address, counted_as, normal_address, parse_address, parse_node
from .handshake import Headers

Network = IPv4Network | IPv6Network
UNIX = "unix"
"""The name of the peer at the other end of a socket file, among trusted proxies."""

_UNIX_ENTRIES = (UNIX, "unix:")  # the second is what nginx calls such a peer
# Some proxies tell the scheme of a WebSocket's URL; the request is HTTP's all the same.
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_MAPPED = IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True, slots=True)
class Client:
    """What the server holds for the client's address, scheme and host."""

    address: str
    """In its normal form; "" where it is not known, on a socket file."""
    scheme: str | None = None
    host: str | None = None
    unreadable: str | None = None
    """The entry of X-Forwarded-For where the search ended, if it is not an address.

    `address` is the last one that was known then, a proxy's.
    """

    @property
    def key(self) -> str:
        """The key by which limits per address count this client; "" if its address is unknown.

        Many clients may stand behind an entry that can't be read: they are not one address.
        """
        return "" if self.unreadable is not None else counted_as(self.address)


def parse_networks(entries: Sequence[str]) -> tuple[Network | str, ...]:
    """Addresses, networks ("10.0.0.0/8") and "unix" as `who_is` takes them. Raises ValueError."""
    return tuple(entry if entry == UNIX else _network(entry) for entry in entries)


def who_is(peer: str, headers: Headers, trusted: Sequence[Network | str]) -> Client:
    """The client behind `peer`, the address of the socket's other end ("" on a socket file).

    Only a trusted peer's headers count. In X-Forwarded-For the client is the last address that
    no trusted proxy has: what is before it anybody could have written.
    """
    address, unreadable = normal_address(peer), None
    if not trusted or not _is_trusted_peer(address, trusted):
        return Client(address)
    for entry in reversed(_members(headers, "x-forwarded-for")):
        if entry in _UNIX_ENTRIES and UNIX in trusted:
            continue
        found = parse_node(entry)
        if found is None:
            unreadable = entry
            break
        address = str(found)
        if not _is_trusted(found, trusted):
            break
    scheme = _members(headers, "x-forwarded-proto")[-1:]
    host = _members(headers, "x-forwarded-host")[-1:]
    known = _SCHEMES.get(scheme[0].lower()) if scheme else None
    return Client(address, known, host[0] if host else None, unreadable)


def _network(entry: str) -> Network:
    if "%" in entry:
        raise ValueError("a network has no zone")
    network = ip_network(entry, strict=False)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        return IPv4Network((int(mapped or 0), network.prefixlen - _MAPPED.prefixlen))
    return network


def _members(headers: Headers, name: str) -> list[str]:
    return [part.strip() for part in headers.joined(name).split(",") if part.strip()]


def _is_trusted_peer(peer: str, trusted: Sequence[Network | str]) -> bool:
    if not peer:
        return UNIX in trusted
    address = parse_address(peer)
    return address is not None and _is_trusted(address, trusted)


def _is_trusted(address: Address, trusted: Sequence[Network | str]) -> bool:
    return any(not isinstance(network, str) and address in network for network in trusted)
