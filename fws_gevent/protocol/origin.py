"""The origins of pages that may open a WebSocket (RFC 6454, RFC 6455 §10.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import AddressValueError, IPv6Address
from typing import Final, NamedTuple

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_AUTHORITY = re.compile(
    r"(?P<host>\[[0-9a-f:.]+\]|(?:[a-z0-9._~-]|%[0-9a-f]{2})*)(?P<port>:[0-9]{0,5})?"
)
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}

ANY: Final = "*"
"""Stands for every origin."""

NULL: Final = "null"
"""The origin of pages that have none, such as files and sandboxed frames (RFC 6454 §6.1)."""


class Origin(NamedTuple):
    """The origin of a page in normal form: lower case, `port` None for the scheme's default."""

    scheme: str
    host: str
    port: int | None = None

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"


def parse_origin(text: str) -> Origin | None:
    """Return the origin in a text; None for a text that is not an origin (RFC 6454 §6.2)."""
    scheme, separator, authority = text.lower().partition("://")
    if not separator or not _SCHEME.fullmatch(scheme) or authority.endswith(":"):
        return None
    found = parse_authority(authority)
    if found is None or (not found[0] and scheme in _DEFAULT_PORTS):
        return None
    host, port = found
    return Origin(scheme, host, None if port == _DEFAULT_PORTS.get(scheme) else port)


def parse_authority(text: str) -> tuple[str, int | None] | None:
    """Return host and port of a Host header, in normal form; None for a malformed one.

    The port is None where it is missing or empty (RFC 3986 §3.2.3). The sub-delims of that RFC are
    malformed here: a comma would join two hosts.
    """
    found = _AUTHORITY.fullmatch(text.lower())
    if found is None:
        return None
    host, port = found["host"], found["port"] or ":"
    if host.startswith("["):
        try:
            host = f"[{IPv6Address(host[1:-1])}]"
        except AddressValueError:
            return None
    number = int(port[1:]) if len(port) > 1 else None
    return None if number is not None and number > 65535 else (host, number)


def origin_allowed(origin: str, host: str, allowed: Sequence[str]) -> bool:
    """Return whether a page of `origin` may connect to `host` (the Host header).

    It may if it is a page of that host, or its origin is in `allowed` (such as
    "https://app.example.com", "null", or "*" for all). Case does not matter, and a missing port is
    the scheme's default; there are no suffixes and no patterns.
    """
    if ANY in allowed:
        return True
    wanted = normal_origin(origin)
    if any(wanted == normal_origin(entry) for entry in allowed):
        return True
    page, named = parse_origin(origin), parse_authority(host)
    if page is None or named is None or not named[0]:
        return False
    default = _DEFAULT_PORTS.get(page.scheme)
    if default is None:
        return False  # such as a page of app://, or of a browser extension
    ports = [default if port is None else port for port in (page.port, named[1])]
    return page.host == named[0] and ports[0] == ports[1]


def normal_origin(origin: str) -> str:
    """Return an origin in lower case and without its scheme's default port."""
    found = parse_origin(origin)
    return origin.lower() if found is None else str(found)
