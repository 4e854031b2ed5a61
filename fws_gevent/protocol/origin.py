"""Which pages may open a WebSocket here (RFC 6454, RFC 6455 §10.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[^\[\]/:@?#\s]+)(?::([0-9]{1,5}))?")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]/:@?#\s]+)(?::([0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": "80", "ws": "80", "https": "443", "wss": "443"}

ANY = "*"


def origin_allowed(origin: str, host: str, allowed: Sequence[str]) -> bool:
    """Whether a page of `origin` may connect to `host` (the Host header).

    Yes for the host's own pages and for the origins in `allowed` (such as
    "https://app.example.com", "null", or "*" for all). Names match without regard to case, a
    missing port is the scheme's own, and nothing else is bent: no suffixes, no patterns.
    """
    if ANY in allowed:
        return True
    wanted = normal_origin(origin)
    if any(wanted == normal_origin(entry) for entry in allowed):
        return True
    parts = _ORIGIN.fullmatch(wanted)
    named = _HOST.fullmatch(host.lower())
    if parts is None or named is None:
        return False
    default = _DEFAULT_PORTS.get(parts[1])
    if default is None:
        return False  # an app:// or an extension's page is not the host's
    return parts[2] == named[1] and (parts[3] or default) == (named[2] or default)


def normal_origin(origin: str) -> str:
    """An origin in lower case and without its scheme's default port."""
    origin = origin.lower()
    parts = _ORIGIN.fullmatch(origin)
    if parts is not None and parts[3] is not None and parts[3] == _DEFAULT_PORTS.get(parts[1]):
        return f"{parts[1]}://{parts[2]}"
    return origin
