"""A request for a WebSocket that gunicorn parsed, on its way to the application."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .protocol.handshake import Request, check_request, parse_headers, split_target
from .takeover import for_the_reactor

SWITCHING = "101 Switching Protocols"
_PATIENCE = 10.0  # seconds for that answer to be taken


class GunicornUpgrade:
    """The `Upgrade` of a request that gunicorn parsed."""

    def __init__(self, parsed: Any, socket: Any) -> None:
        self.parsed = parsed
        self._socket = socket
        self._target: str = parsed.uri
        self.start_response: Callable[..., Callable[[bytes], None]] | None = None
        self.taken: tuple[tuple[str, str], ...] | None = None
        """The headers that it was answered with, once the socket is no longer gunicorn's."""

    @property
    def request(self) -> Request:
        """Its head, with each header field as it was sent. Raises HandshakeRefused."""
        headers = parse_headers(f"{name}: {value}" for name, value in self.parsed.headers)
        version = "HTTP/{}.{}".format(*self.parsed.version)
        path, authority = split_target(self.parsed.method, self._target)
        request = Request(self.parsed.method, path, version, headers, authority)
        check_request(request)
        return request

    def take(self, headers: Sequence[tuple[str, str]]) -> tuple[Any, bytes]:
        """Answer 101; returns the socket and the bytes behind the request. Raises OSError."""
        assert self.start_response is not None
        self.taken = tuple(headers)
        self._socket.settimeout(_PATIENCE)
        write = self.start_response(SWITCHING, list(headers))
        write(b"")  # what sends the head
        early: bytes = self.parsed.unreader.take_buffered()
        self._socket.settimeout(0)
        return for_the_reactor(self._socket), early
