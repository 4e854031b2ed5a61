"""permessage-deflate (RFC 7692), without context takeover in either direction.

Each message is compressed on its own, so a broadcast is compressed once for everybody who
agreed on the same window, and no idle connection holds zlib's 300 KiB of state.
"""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

EXTENSION = "permessage-deflate"

WINDOWS = (8, 9, 12, 15)
"""The windows that are agreed on, as powers of two: a client that asks for another gets the next
smaller one (RFC 7692 §7.1.2.1), so a broadcast is never compressed in more ways than these."""

MIN_SIZE = 64
"""Bytes under which a message is sent as it is: deflate would hardly make it smaller."""

_TAIL = b"\x00\x00\xff\xff"  # what a sync flush ends in and the wire leaves out (§7.2.1)
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'\s*;\s*({_TOKEN})(?:\s*=\s*(?:({_TOKEN})|"([^"\\]*)"))?')
_EMPTY = re.compile(r"\s*(?:,|$)")
_NAME = re.compile(rf"\s*({_TOKEN})")
_BITS = frozenset(str(bits) for bits in range(8, 16))


class InvalidExtensionHeader(ValueError):
    """A Sec-WebSocket-Extensions header that breaks its grammar (RFC 6455 §9.1)."""


class Deflate(NamedTuple):
    """The agreed terms: the largest window, as a power of two, that the server may use."""

    window_bits: int = 15
    window_named: bool = False

    @property
    def header(self) -> str:
        """The value of Sec-WebSocket-Extensions in the answer."""
        terms = f"{EXTENSION}; server_no_context_takeover; client_no_context_takeover"
        return f"{terms}; server_max_window_bits={self.window_bits}" if self.window_named else terms


def parse_extensions(header: str) -> list[tuple[str, list[tuple[str, str | None]]]]:
    """The offers of a Sec-WebSocket-Extensions header: names with their parameters, in order.

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
    """The terms for the first acceptable offer of permessage-deflate, or None (RFC 7692 §7.1).

    Raises InvalidExtensionHeader.
    """
    for name, parameters in parse_extensions(header):
        if name == EXTENSION:
            terms = _terms(parameters)
            if terms is not None:
                return terms
    return None


def _terms(parameters: list[tuple[str, str | None]]) -> Deflate | None:
    """Terms that satisfy one offer, or None to decline it: unknown, doubled or ill-formed parts."""
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
    """The message compressed on its own, or None if it is better sent as it is.

    `window_bits` is what was agreed. zlib has no raw window of 8 bits, so with 8 nothing is
    compressed, which RFC 7692 §6 leaves to the sender for each message.
    """
    size = len(payload)
    if size < MIN_SIZE or window_bits < 9:
        return None
    # A window beyond the message finds nothing more and only costs its memory.
    window_bits = max(9, min(window_bits, size.bit_length()))
    deflater = zlib.compressobj(6, zlib.DEFLATED, -window_bits, min(8, window_bits - 6))
    squeezed = deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return squeezed[:-4] if len(squeezed) - 4 < size else None


class Inflater:
    """Inflates the pieces of one message, never by more than asked."""

    __slots__ = ("_inflater",)

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(-15)  # the largest window reads every smaller one

    def feed(self, piece: bytes, most: int) -> bytes:
        """The inflated piece, of `most` bytes at most, which is one byte at least.

        Whoever gets as many gets no more: to learn of a message that is too big, ask for a byte
        more than it may have. Raises zlib.error when the piece is not deflate.
        """
        return self._inflater.decompress(piece, most)

    def finish(self, most: int) -> bytes:
        """What is left at the end of the message; as `feed`."""
        return self.feed(_TAIL, most)
