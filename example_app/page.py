"""The chat page as a WSGI application: one page and the few files that it loads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


class Asset(NamedTuple):
    """A file as it is sent."""

    content_type: str
    body: bytes


def _asset(name: str, content_type: str) -> Asset:
    return Asset(content_type, Path(__file__).resolve().with_name(name).read_bytes())


# Read once and found by whole path: no request can name any other file.
ASSETS = {
    "/": _asset("chat.html", "text/html; charset=utf-8"),
    "/chat.css": _asset("chat.css", "text/css; charset=utf-8"),
    "/chat.js": _asset("chat.js", "text/javascript; charset=utf-8"),
    "/chat.svg": _asset("chat.svg", "image/svg+xml"),
}

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",  # a script that assigned innerHTML would fail
        "trusted-types 'none'",
    )
)

_ALLOWED = "GET, HEAD"


def chat_page(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer GET and HEAD for the page and its files; 404 and 405 for everything else."""
    method = environ["REQUEST_METHOD"]
    asset = ASSETS.get(environ.get("PATH_INFO") or "/")
    status = "200 OK"
    extra: list[tuple[str, str]] = []
    if asset is None:
        status, asset = "404 Not Found", _plain("There is nothing here.")
    elif method not in ("GET", "HEAD"):
        status, asset = "405 Method Not Allowed", _plain(f"Only {_ALLOWED} are answered here.")
        extra = [("Allow", _ALLOWED)]
    headers = [
        ("Content-Type", asset.content_type),
        ("Content-Length", str(len(asset.body))),
        ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-cache"),
        *extra,
    ]
    start_response(status, headers)
    return [] if method == "HEAD" else [asset.body]


def _plain(text: str) -> Asset:
    return Asset("text/plain; charset=utf-8", f"{text}\n".encode())
