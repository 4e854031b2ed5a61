"""The parser of cookies, for pages and for the WebSocket of the status page."""

from __future__ import annotations

from collections.abc import Iterable

from werkzeug.sansio.http import parse_cookie


def cookie_of(headers: Iterable[str], name: str) -> str | None:
    """Return the first cookie called `name` in Cookie headers as WSGI has them (latin-1).

    A cookie with an invalid name or value is ignored, without an effect on the others
    (RFC 6265 §5.2). Bytes that are not UTF-8 become U+FFFD.
    """
    text = "; ".join(headers).encode("latin-1", "replace").decode("utf-8", "replace")
    return parse_cookie(text).get(name)
