"""A request for a WebSocket that gunicorn has parsed, as the application gets it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..protocol.handshake import Request, check_request, parse_headers, split_target
from ..upgrade.takeover import for_the_reactor

SWITCHING = "101 Switching Protocols"
_TIMEOUT = 10.0  # seconds for the client to read that answer

Write = Callable[[bytes], Any]


class GunicornUpgrade:
    """The `Upgrade` of a request that gunicorn parsed.

    `start_response` is gunicorn's; the application gets `start`. `on_taken` is called once the
    socket is no longer gunicorn's.
    """

    def __init__(self, parsed: Any, socket: Any, on_taken: Callable[[], None]) -> None:
        self._parsed = parsed
        self._socket = socket
        self._target: str = parsed.uri
        self._on_taken = on_taken
        self._write: Write | None = None
        self._written = False
        self.start_response: Callable[..., Write] | None = None
        self.taken = False
        """True once the socket is no longer gunicorn's."""

    @property
    def request(self) -> Request:
        """Return its head, with each header field as it was sent. Raises HandshakeRefused."""
        headers = parse_headers(f"{name}: {value}" for name, value in self._parsed.headers)
        version = "HTTP/{}.{}".format(*self._parsed.version)
        path, authority = split_target(self._parsed.method, self._target)
        request = Request(self._parsed.method, path, version, headers, authority)
        check_request(request)
        return request

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Write:
        """Begin the answer: the `start_response` of the application and its middleware.

        Once the socket is taken nothing is sent any more, and `exc_info` is raised, as PEP 3333
        has it for an answer whose head has been sent.
        """
        if self.taken:
            if exc_info is not None:
                raise exc_info[1].with_traceback(exc_info[2])
            return _drop
        assert self.start_response is not None
        self._write = self.start_response(status, headers, exc_info)
        return self.write

    def write(self, data: bytes) -> None:
        """Send a part of the answer."""
        if self.taken:
            return
        assert self._write is not None
        self._written = True
        self._write(data)

    def take(
        self, headers: Sequence[tuple[str, str]], start_response: Callable[..., Any]
    ) -> tuple[Any, bytes]:
        """Answer 101; return the socket and the bytes behind the request. Raises OSError."""
        self._socket.settimeout(_TIMEOUT)
        write = start_response(SWITCHING, list(headers))
        write(b"")  # which sends the head
        if not self._written:  # a middleware keeps it back: bypass it
            if self._write is None:
                self.start(SWITCHING, list(headers))
            self.write(b"")
        self.taken = True
        self._on_taken()
        early: bytes = self._parsed.unreader.take_buffered()
        self._socket.settimeout(0)
        return for_the_reactor(self._socket), early


class UpgradeAnswer:
    """The application's answer to a request for a WebSocket, as gunicorn iterates it.

    It is iterated to its end and closed in any case, and nothing of it is sent once the socket
    is a WebSocket's.
    """

    def __init__(self, answer: Iterable[bytes], upgrade: GunicornUpgrade) -> None:
        self._answer = answer
        self._upgrade = upgrade

    def __iter__(self) -> Iterator[bytes]:
        return (part for part in self._answer if not self._upgrade.taken)

    def close(self) -> None:
        """Tell the application that the request has ended."""
        close = getattr(self._answer, "close", None)
        if close is not None:
            close()


def _drop(_data: bytes) -> None:
    """Do nothing: the answer has ended."""
