"""Frames (RFC 6455 §5.2): the encoding of the server's, and checks of a client's."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from ..errors import CloseCode
from ..message import Message

CONTINUATION, TEXT, BINARY = 0x0, 0x1, 0x2
CLOSE, PING, PONG = 0x8, 0x9, 0xA

FIN, RSV1 = 0x80, 0x40
MASKED = 0x80

_MEDIUM, _LARGE = Struct(">BBH"), Struct(">BBQ")
_SHORT = tuple(tuple(bytes((first, size)) for size in range(126)) for first in range(256))
SHORT_HEADERS = _SHORT[FIN:]
"""The headers of unfragmented frames of less than 126 bytes, by opcode and size."""

MAX_CONTROL = 125
_RESERVED = 0x70
_OPCODES = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))


class Ping(NamedTuple):
    """A Ping, to be answered with the same payload (§5.5.2)."""

    payload: bytes


class Pong(NamedTuple):
    """A Pong, asked for or not (§5.5.3)."""

    payload: bytes


class Close(NamedTuple):
    """The client's Close; code 1005 when it gave none (§7.1.5)."""

    code: int
    reason: str


class Fault(NamedTuple):
    """A violation of the protocol or of a limit; the connection is failed with `code` (§7.1.7)."""

    code: CloseCode
    reason: str


Event = Message | Ping | Pong | Close | Fault


def header(opcode: int, size: int, flags: int = FIN) -> bytes:
    """Return the header of a frame from the server, which is not masked.

    `size` is that of the payload; `flags` are FIN and, for a compressed message, RSV1.
    """
    if size < 126:
        return _SHORT[flags | opcode][size]
    if size < 65536:
        return _MEDIUM.pack(flags | opcode, 126, size)
    return _LARGE.pack(flags | opcode, 127, size)


def header_fault(first: int, second: int, *, compression: bool) -> str | None:
    """Return what §5.2 and §5.5 forbid in the first two bytes of a client's frame, or None.

    With `compression`, RSV1 marks a compressed message (RFC 7692 §6).
    """
    opcode = first & 0x0F
    compressed = compression and first & _RESERVED == RSV1 and opcode in (TEXT, BINARY)
    if first & _RESERVED and not compressed:
        return "reserved bits are set"
    if opcode not in _OPCODES:
        return "unknown opcode"
    if opcode >= CLOSE and first < FIN:
        return "fragmented control frame"
    if opcode >= CLOSE and second & 0x7F > MAX_CONTROL:
        return "control frame too long"
    return None if second & MASKED else "frame is not masked"


def encode(opcode: int, payload: bytes | bytearray, flags: int = FIN) -> bytes:
    """Return a whole frame from the server, see `header`."""
    return header(opcode, len(payload), flags) + payload


def encode_close(code: int, reason: str = "") -> bytes:
    """Return a Close frame (§5.5.1): without a body for code 1005, its reason cut to 123 bytes.

    A lone surrogate in the reason becomes a question mark.
    """
    if code == CloseCode.NO_STATUS:
        return encode(CLOSE, b"")
    whole = reason.encode("utf-8", "replace")
    text = whole[: MAX_CONTROL - 2].decode("utf-8", "ignore").encode("utf-8")
    return encode(CLOSE, code.to_bytes(2, "big") + text)


def is_close_code(code: int) -> bool:
    """Return whether a Close frame may carry `code` (§7.4; 1004 to 1006 and 1015 may not)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def check_close(code: int, reason: str) -> None:
    """Check the code and the reason that an application closes a connection with (§7.4).

    Raises ValueError for a code that can't be sent, TypeError for a reason that isn't `str`.
    """
    if not (isinstance(code, int) and is_close_code(code)):
        raise ValueError(f"{code!r} can't be sent as a close code (RFC 6455 §7.4)")
    if not isinstance(reason, str):
        raise TypeError(f"a close reason is str, not {type(reason).__name__}")


def parse_close(payload: bytes) -> Close | Fault:
    """Return the code and the reason in the body of a Close frame (§5.5.1)."""
    if not payload:
        return Close(CloseCode.NO_STATUS, "")
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not is_close_code(code):
        return Fault(CloseCode.PROTOCOL_ERROR, "invalid close code")
    try:
        reason = payload[2:].decode("utf-8")
    except UnicodeDecodeError:
        return Fault(CloseCode.INVALID_PAYLOAD, "close reason is not UTF-8")
    return Close(code, reason)
