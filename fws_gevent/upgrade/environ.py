"""The facts of a request in its WSGI environ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..protocol.handshake import Headers, wants_websocket

_ABSOLUTE = re.compile(r"(?i:https?)://([^/?#]+)(/.*)?", re.DOTALL)


def headers_of(environ: Mapping[str, Any]) -> Headers:
    """Return the headers of a request from its WSGI environ."""
    return Headers(
        (name[5:].replace("_", "-").lower(), value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    )


def asks_for_websocket(environ: Mapping[str, Any]) -> bool:
    """Return whether a request asks for a WebSocket."""
    return "HTTP_UPGRADE" in environ and wants_websocket(
        headers_of(environ), environ.get("SERVER_PROTOCOL", "HTTP/1.1")
    )


def mend(environ: dict[str, Any], target: str) -> None:
    """Correct an environ that another server made, by the rules of HTTP.

    A target in absolute form names the host, and Host does not count (RFC 9112 §3.2.2); gevent's
    parser takes all of it for the path. A request of HTTP/1.0 has no Upgrade (RFC 9110 §7.8).
    """
    absolute = _ABSOLUTE.match(target)
    if absolute is not None:
        environ["HTTP_HOST"] = absolute[1]
        if not environ["PATH_INFO"].startswith("/"):
            environ["PATH_INFO"] = absolute[2] or "/"
    ignore_upgrade(environ)


def mend_cookies(environ: dict[str, Any], fields: Iterable[tuple[str, str]]) -> None:
    """Join the Cookie headers of a request to one list of cookies (RFC 9113 §8.2.3).

    gunicorn joins headers of one name with commas, which do not separate cookies.
    """
    if "," in environ.get("HTTP_COOKIE", ""):
        cookies = (value for name, value in fields if name.lower() == "cookie")
        environ["HTTP_COOKIE"] = "; ".join(cookies)


def ignore_upgrade(environ: dict[str, Any]) -> None:
    """Remove Upgrade from a request of HTTP/1.0, in which it has no meaning (RFC 9110 §7.8)."""
    if environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        environ.pop("HTTP_UPGRADE", None)
