"""IP addresses in a normal form, and the keys by which limits count them."""

from __future__ import annotations

import re
from ipaddress import IPV6LENGTH, IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address

IPV6_PREFIX: Final = 64
"""Bits of an IPv6 address that limits count; a host may choose the others (RFC 4291 §2.5.4)."""

# The prefix of NAT64, behind which a network without IPv4 sees the IPv4 Internet (RFC 6052 §2.1).
_NAT64 = IPv6Network("64:ff9b::/96")
# A node identifier of RFC 7239 §6: IPv6 in brackets, or IPv4, with an optional port.
_NODE = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<v4>[0-9.]+))(?::(?:[0-9]{0,5}|_[A-Za-z0-9._-]+))?")


def parse_address(text: str) -> Address | None:
    """Return the address in a text, without its zone; None for a text that is not an address.

    An IPv4-mapped address is the IPv4 address in it (RFC 4291 §2.5.5.2).
    """
    bare, percent, zone = text.partition("%")
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return None if percent else address
    if percent and not zone:
        return None
    return address.ipv4_mapped or address


def parse_node(text: str) -> Address | None:
    """Return the address in an entry of X-Forwarded-For; None for an entry without one.

    The entry may have a port, brackets around IPv6, and quotes around all of it (RFC 7239 §6).
    """
    text = text.strip(" \t")
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].strip(" \t")
    address = parse_address(text)
    if address is not None:
        return address
    node = _NODE.fullmatch(text)
    return None if node is None else parse_address(node["v6"] or node["v4"])


def normal_address(text: str) -> str:
    """Return the normal text of an address; a text that is not an address stays as it is."""
    if ":" not in text:
        return text  # IPv4, which has one form
    address = parse_address(text)
    return text if address is None else str(address)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server that listens on `host`.

    That is a loopback address, "localhost", or a socket file ("unix:PATH").
    """
    if host == "localhost" or host.startswith("unix:"):
        return True
    address = parse_address(host)
    return address is not None and address.is_loopback


def in_url(host: str) -> str:
    """Return a host as a URL has it: an IPv6 address is in brackets (RFC 3986 §3.2.2)."""
    return f"[{host}]" if ":" in host else host


def counted_as(text: str) -> str:
    """Return the key by which limits count an address: itself, or the /64 of an IPv6 one.

    An address behind the well-known prefix of NAT64 is the IPv4 address in it. A text that is
    not an address stays as it is.
    """
    if ":" not in text:
        return text
    address = parse_address(text)
    if address is None:
        return text
    if isinstance(address, IPv4Address):
        return str(address)
    if address in _NAT64:
        return str(IPv4Address(address.packed[-4:]))
    chosen_freely = IPV6LENGTH - IPV6_PREFIX
    return f"{IPv6Address(int(address) >> chosen_freely << chosen_freely)}/{IPV6_PREFIX}"
