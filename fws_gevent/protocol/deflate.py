"""permessage-deflate (RFC 7692), without context takeover in either direction.

Each message is compressed on its own: a broadcast is compressed once for all connections that
agreed on the same window, and an idle connection holds none of zlib's 300 KiB of state.
"""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

EXTENSION = "permessage-deflate"

WINDOWS = (8, 9, 12, 15)
"""The windows that are agreed on, as powers of two. A client that asks for another gets the next
smaller one (RFC 7692 §7.1.2.1), which bounds how often a broadcast is compressed."""

MIN_SIZE = 64
"""Bytes from which a message is compressed; deflate hardly makes shorter ones smaller."""

_TAIL = b"\x00\x00\xff\xff"  # the end of a sync flush, which is not sent (§7.2.1)
_PROBE = b"\x03\x00"  # an empty final block, if it follows a block boundary
_WINDOW = 1 << 15  # bytes that a block may refer back to (RFC 1951 §2)
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'\s*;\s*({_TOKEN})(?:\s*=\s*(?:({_TOKEN})|"([^"\\]*)"))?')
_EMPTY = re.compile(r"\s*(?:,|$)")
_NAME = re.compile(rf"\s*({_TOKEN})")
_BITS = frozenset(str(bits) for bits in range(8, 16))


class InvalidExtensionHeader(ValueError):
    """A Sec-WebSocket-Extensions header that breaks its grammar (RFC 6455 §9.1)."""


class Deflate(NamedTuple):
    """The agreed parameters: the largest window, as a power of two, that the server may use."""

    window_bits: int = 15
    window_named: bool = False

    @property
    def header(self) -> str:
        """Return the value of Sec-WebSocket-Extensions in the answer."""
        terms = f"{EXTENSION}; server_no_context_takeover; client_no_context_takeover"
        return f"{terms}; server_max_window_bits={self.window_bits}" if self.window_named else terms


def parse_extensions(header: str) -> list[tuple[str, list[tuple[str, str | None]]]]:
    """Return the offers of a Sec-WebSocket-Extensions header, in order, with their parameters.

    Raises InvalidExtensionHeader.
    """
    offers: list[tuple[str, list[tuple[str, str | None]]]] = []
    position = 0
    while position < len(header):
        empty = _EMPTY.match(header, position)  # a list may have empty members (RFC 9110 §5.6.1)
        if empty is not None:
            position = empty.end()
            continue
        name = _NAME.match(header, position)
        if name is None:
            raise InvalidExtensionHeader(header)
        position = name.end()
        parameters: list[tuple[str, str | None]] = []
        while parameter := _PARAMETER.match(header, position):
            key, token, quoted = parameter.groups()
            parameters.append((key, token if token is not None else quoted))
            position = parameter.end()
        offers.append((name[1], parameters))
        rest = header[position:].lstrip()
        if rest and not rest.startswith(","):
            raise InvalidExtensionHeader(header)
        position = len(header) - len(rest) + 1
    return offers


def accept_offer(header: str) -> Deflate | None:
    """Return the terms for the first acceptable offer of permessage-deflate (RFC 7692 §7.1).

    Returns None where no offer is acceptable. Raises InvalidExtensionHeader.
    """
    for name, parameters in parse_extensions(header):
        if name == EXTENSION:
            terms = _terms(parameters)
            if terms is not None:
                return terms
    return None


def _terms(parameters: list[tuple[str, str | None]]) -> Deflate | None:
    """Return terms for one offer; None if a parameter is unknown, doubled or malformed."""
    given = dict(parameters)
    if len(given) != len(parameters):
        return None
    for flag in ("server_no_context_takeover", "client_no_context_takeover"):
        if given.pop(flag, None) is not None:
            return None
    client_bits = given.pop("client_max_window_bits", None)
    if client_bits is not None and client_bits not in _BITS:
        return None
    if "server_max_window_bits" not in given:
        return None if given else Deflate()
    server_bits = given.pop("server_max_window_bits")
    if given or server_bits is None or server_bits not in _BITS:
        return None
    return Deflate(max(bits for bits in WINDOWS if bits <= int(server_bits)), True)


def compress(payload: bytes | bytearray, window_bits: int) -> bytes | None:
    """Return the message, compressed on its own; None if it is better sent as it is.

    `window_bits` is the agreed window. zlib has no raw window of 8 bits, so with 8 nothing is
    compressed; RFC 7692 §6 leaves that to the sender of each message.
    """
    size = len(payload)
    if size < MIN_SIZE or window_bits < 9:
        return None
    # A window larger than the message finds no more matches and costs memory.
    window_bits = max(9, min(window_bits, size.bit_length()))
    deflater = zlib.compressobj(6, zlib.DEFLATED, -window_bits, min(8, window_bits - 6))
    squeezed = deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return squeezed[:-4] if len(squeezed) - 4 < size else None


class IncompleteMessage(ValueError):
    """A compressed message that does not end at a block boundary, or that has bytes behind it."""


class Inflater:
    """Inflates one message piece by piece, to a bounded size each time (RFC 7692 §7.2.2).

    A block with BFINAL set ends a DEFLATE stream but not the message (§7.2.1): after each `feed`
    that leaves `ended` true, `go_on` returns the bytes that are to be fed next.
    """

    __slots__ = ("_begun", "_inflater", "final_blocks")

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(-15)  # the largest window reads every smaller one
        self._begun = False
        self.final_blocks = 0
        """Blocks with BFINAL set so far."""

    def feed(self, piece: bytes, most: int) -> bytes:
        """Return the inflated piece, up to the end of a block with BFINAL set.

        `most` is the greatest number of bytes returned, 1 at least. A piece that inflates to that
        many may be cut: to detect a message that is too big, pass one byte more than it
        may have. Raises zlib.error for bytes that are not DEFLATE.
        """
        self._begun = True
        return self._inflater.decompress(piece, most)

    @property
    def ended(self) -> bool:
        """Return whether a block with BFINAL set has ended; call `go_on` then."""
        return self._inflater.eof

    def go_on(self, so_far: bytes | bytearray) -> bytes:
        """Return the bytes behind a final block, which begin at a byte boundary (§7.2.1).

        `so_far` is all that was inflated: later blocks may refer to its last 32 KiB (RFC 1951 §2).
        """
        rest = self._inflater.unused_data
        with memoryview(so_far) as view:
            window = bytes(view[-_WINDOW:])
        self._inflater = zlib.decompressobj(-15, zdict=window)
        self._begun = False
        self.final_blocks += 1
        return rest

    def finish(self) -> None:
        """Check that the message ends at a block boundary (RFC 7692 §7.2.1).

        The four bytes that are not sent must be the length of an empty stored block, which inflates
        to nothing. A message that ends with a final block is complete without them: some senders
        omit the octet that §7.2.3.4 asks for. Raises IncompleteMessage, zlib.error.
        """
        if not self._begun:
            return
        inflater = self._inflater
        inflated = inflater.decompress(_TAIL + _PROBE, 1)
        if inflated or not inflater.eof or inflater.unused_data not in (b"", _PROBE):
            raise IncompleteMessage
