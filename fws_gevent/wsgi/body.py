"""The body of a request, read to its exact end, with a limit for slow clients."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

from gevent import Timeout

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import HandshakeRefused
from ..protocol.handshake import parse_headers

MAX_LINE: Final = 8192
"""Bytes of a request line, a header line, or the line before a chunk."""
MAX_HEAD: Final = 65536
"""Bytes of all header lines."""
MAX_HEADERS: Final = 100

SLOWEST: Final = 500.0
"""Bytes a second of a body once its time-out is over; a slower one is an attack, not an upload."""
_PIECE = 4096

# The size of a chunk, and an unknown extension (RFC 9112 §7.1).
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
# Fields that decide how a message is read must come before it (RFC 9110 §6.5.1).
_NO_TRAILER = ("host", "content-length", "transfer-encoding", "trailer", "te", "authorization")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class BadBody(OSError):
    """The body is not as its headers announce; its end is unknown."""


class TooSlow(TimeoutError):
    """The client sends or reads too slowly, or has stopped."""

    def __init__(self) -> None:
        super().__init__("timed out")  # the text that gevent's handler knows it by


class Body:
    """The `wsgi.input` of one request: it ends at the end of the body (PEP 3333).

    `timeout` is the time-out of the socket, or 0: a wait for the first bytes may take that long.
    Reading raises BadBody, and TooSlow for a slow client.
    """

    def __init__(
        self,
        rfile: Any,
        length: int | None,
        *,
        chunked: bool = False,
        timeout: float = 0.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._clock = clock
        self.rfile = rfile
        """The file of the socket; libraries look for it under this name."""
        self._chunked = chunked
        self._left = length or 0
        self._timeout = timeout
        self._got, self._waited = 0, 0.0
        self._bad: BadBody | None = None
        self.whole = not chunked and not length
        """True once it was read to its end, so that the next bytes are another request."""
        self.awaited_on: Any = None
        """The socket of a client that waits for 100 Continue."""

    def read(self, size: int | None = -1) -> bytes:
        """Return the next `size` bytes, fewer at the end; without a size, all that are left."""
        return b"".join(self._pieces(size, line=False))

    def readline(self, size: int | None = -1) -> bytes:
        """Return the next line, or `size` bytes of it."""
        return b"".join(self._pieces(size, line=True))

    def readlines(self, _hint: int = -1) -> list[bytes]:
        """Return all lines that are left."""
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _discard(self) -> None:
        """Read the rest after the answer; gevent calls this."""
        if self._bad is None and self.awaited_on is None:
            while not self.whole:
                self.read(MAX_HEAD)

    def _pieces(self, size: int | None, *, line: bool) -> Iterator[bytes]:
        room = size if size is not None and size >= 0 else None
        while room != 0:
            if self._chunked and not self._left and not self.whole:
                self._next_chunk()
            if self.whole:
                return
            piece = self._some(self._left if room is None else min(room, self._left), line=line)
            self._left -= len(piece)
            if not self._left:
                self._end_of_chunk()
            yield piece
            if line and piece.endswith(b"\n"):
                return
            if room is not None:
                room -= len(piece)

    def _some(self, most: int, *, line: bool) -> bytes:
        """Wait for the next bytes, and return them; with `line`, up to the end of the line."""
        if self._bad is not None:
            raise self._bad
        if self.awaited_on is not None:
            awaited_on, self.awaited_on = self.awaited_on, None
            awaited_on.sendall(CONTINUE)
        if self._timeout and self._waited > self._timeout + self._got / SLOWEST:
            raise TooSlow
        begun = self._clock.monotonic()
        there: bytes = self.rfile.peek(1)
        self._waited += self._clock.monotonic() - begun
        size = min(most, len(there))
        if line:
            size = there.find(b"\n", 0, size) + 1 or size
        if not size:
            raise self._malformed("it ends early")
        self._got += size
        piece: bytes = self.rfile.read(size)
        return piece

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            line += self._some(MAX_LINE + 1 - len(line), line=True)
            if len(line) > MAX_LINE:
                raise self._malformed("a line is too long")
        if not line.endswith(b"\r\n"):
            raise self._malformed("a line doesn't end in CRLF")
        return line[:-2]

    def _next_chunk(self) -> None:
        chunk = _CHUNK.fullmatch(self._line())
        if chunk is None:
            raise self._malformed("no size of a chunk")
        self._left = int(chunk[1], 16)
        if not self._left:
            self._read_trailer()
            self.whole = True

    def _end_of_chunk(self) -> None:
        if not self._chunked:
            self.whole = True
        elif self._line():
            raise self._malformed("a chunk is longer than its size")

    def _read_trailer(self) -> None:
        """Check the fields after the body, and drop them."""
        lines: list[str] = []
        room = MAX_HEAD
        while line := self._line():
            lines.append(line.decode("latin-1"))
            room -= len(line)
            if room < 0 or len(lines) > MAX_HEADERS:
                raise self._malformed("its trailer is too large")
        try:
            trailer = parse_headers(lines)
        except HandshakeRefused as refused:
            raise self._malformed(str(refused)) from None
        if any(trailer.all(name) for name in _NO_TRAILER):
            raise self._malformed("its trailer would change the request")

    def _malformed(self, why: str) -> BadBody:
        self._bad = BadBody(f"malformed body: {why}")
        return self._bad


class TimedInput:
    """Another server's `wsgi.input`: each 4 KiB of it must come within `timeout` seconds.

    Reading raises TooSlow otherwise; with a `timeout` of 0 they may take any time. A body that ends
    before `length` bytes raises BadBody, where gunicorn would pass on a part.
    """

    def __init__(self, body: Any, timeout: float, length: int = 0) -> None:
        self._body = body
        self._timeout = timeout
        self._left = length

    def read(self, size: int | None = -1) -> bytes:
        """Return the next `size` bytes, fewer at the end; without a size, all that are left."""
        return b"".join(self._pieces(self._body.read, size))

    def readline(self, size: int | None = -1) -> bytes:
        """Return the next line, or `size` bytes of it."""
        return b"".join(self._pieces(self._body.readline, size, end=b"\n"))

    def readlines(self, _hint: int = -1) -> list[bytes]:
        """Return all lines that are left."""
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _pieces(
        self, read: Callable[[int], bytes], size: int | None, end: bytes | None = None
    ) -> Iterator[bytes]:
        room = size if size is not None and size >= 0 else None
        while room != 0:
            with Timeout(self._timeout or None, TooSlow):
                piece = read(_PIECE if room is None else min(_PIECE, room))
            self._left -= len(piece)
            if not piece and self._left > 0:
                raise BadBody("malformed body: it ends early")
            yield piece
            if not piece or (end is not None and piece.endswith(end)):
                return
            if room is not None:
                room -= len(piece)


def without_line_end(line: str) -> str:
    """Return a line without its CRLF. Raises HandshakeRefused for a bare LF or no line end."""
    if not line.endswith("\r\n"):
        raise HandshakeRefused("400 Bad Request", "a line doesn't end in CRLF")
    return line[:-2]


def header_lines(rfile: BinaryIO) -> Iterator[str]:
    """Yield the lines of a head up to the empty one. Raises HandshakeRefused for too many."""
    too_large = "431 Request Header Fields Too Large"
    room = MAX_HEAD
    for _ in range(MAX_HEADERS + 1):
        raw = rfile.readline(min(MAX_LINE, room) + 1)
        room -= len(raw)
        if len(raw) > MAX_LINE or room < 0:
            raise HandshakeRefused(too_large, "the headers are too large")
        line = without_line_end(raw.decode("latin-1"))
        if not line:
            return
        yield line
    raise HandshakeRefused(too_large, f"over {MAX_HEADERS} header lines")
