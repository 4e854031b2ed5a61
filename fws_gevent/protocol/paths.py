"""Paths of URLs as text: those of requests and of settings, read in the same way."""

from __future__ import annotations

from urllib.parse import unquote


def path_of(path_info: str) -> str:
    """Return the path in PATH_INFO, which WSGI hands over as bytes read as latin-1 (PEP 3333).

    Bytes that are not UTF-8 become U+FFFD, as Flask has it.
    """
    return path_info.encode("latin-1").decode("utf-8", "replace")


def unescaped(path: str) -> str:
    """Return a path, written with or without percent-escapes, as `path_of` returns it.

    Raises ValueError if its escapes are not UTF-8.
    """
    return unquote(path, errors="strict")
