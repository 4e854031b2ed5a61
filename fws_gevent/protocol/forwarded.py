"""The client behind trusted proxies, by their X-Forwarded-* headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from .addresses import Address, counted_as, normal_address, parse_address, parse_node
from .handshake import Headers

Network = IPv4Network | IPv6Network
UNIX = "unix"
"""Stands for the peer on a Unix domain socket among trusted proxies."""

_UNIX_ENTRIES = (UNIX, "unix:")  # the second one is nginx's
# Some proxies send the scheme of the WebSocket's URL instead of the request's.
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_MAPPED = IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True, slots=True)
class Client:
    """The address, scheme and host of a client, as far as they are known."""

    address: str
    """In its normal form; "" on a Unix domain socket, where it is not known."""
    scheme: str | None = None
    host: str | None = None
    unreadable: str | None = None
    """The entry of X-Forwarded-For at which the search ended because it is not an address.

    `address` is that of the last known proxy then.
    """

    @property
    def key(self) -> str:
        """The key by which limits per address count this client; "" if its address is unknown.

        Clients behind an entry that can't be read are not counted: they may be many.
        """
        return "" if self.unreadable is not None else counted_as(self.address)


def parse_networks(entries: Sequence[str]) -> tuple[Network | str, ...]:
    """Return addresses, networks ("10.0.0.0/8") and "unix" as `client_behind` takes them.

    Raises ValueError.
    """
    return tuple(entry if entry == UNIX else _network(entry) for entry in entries)


def client_behind(peer: str, headers: Headers, trusted: Sequence[Network | str]) -> Client:
    """Return the client behind `peer`, the address of the socket's peer ("" on a socket file).

    Only a trusted peer's headers count. The client is the last address in X-Forwarded-For that is
    not a trusted proxy's: the client itself may have written those before it.
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
