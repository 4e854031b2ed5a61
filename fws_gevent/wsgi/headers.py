"""Strictly parsed request headers in the form that gevent's WSGI handler reads."""

from __future__ import annotations

from collections.abc import Iterator

from ..protocol.handshake import Headers


class WSGIHeaders:
    """The interface to headers that `gevent.pywsgi` uses; `parsed` are the headers themselves."""

    status = ""

    def __init__(self, parsed: Headers) -> None:
        self.parsed = parsed

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first field called `name`."""
        value = self.parsed.first(name)
        return default if value is None else value

    getheader = get

    def items(self) -> list[tuple[str, str]]:
        """Return all fields, in order."""
        return self.parsed.fields

    @property
    def headers(self) -> Iterator[str]:
        """All fields as lines."""
        return (f"{name}: {value}\r\n" for name, value in self.parsed)

    @property
    def typeheader(self) -> str | None:
        """The Content-Type."""
        return self.parsed.first("content-type")
