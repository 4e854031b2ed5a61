"""Paths of URLs as text, from requests and from settings."""

from __future__ import annotations

from urllib.parse import unquote


def path_of(path_info: str) -> str:
    """Return the path in PATH_INFO, whose bytes WSGI decodes as latin-1 (PEP 3333).

    Bytes that are not UTF-8 become U+FFFD, as in Flask.
    """
    return path_info.encode("latin-1").decode("utf-8", "replace")


def unescaped(path: str) -> str:
    """Return a path without its percent-escapes, as `path_of` returns it.

    Raises ValueError if the escapes are not UTF-8.
    """
    return unquote(path, errors="strict")
