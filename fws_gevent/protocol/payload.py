"""The conversion of data that an application sends to payloads and frames."""

from __future__ import annotations

from ..message import BinaryMessage, CheckedMessage, Message, check_text, encode_text
from .deflate import compress
from .frames import BINARY, FIN, RSV1, TEXT, encode

Data = str | bytes | bytearray | memoryview
"""Data for `send` and `broadcast`: `str` becomes text, bytes binary, a `Message` stays as it is."""

COMPRESSED = 256
"""Bytes whose compression counts as one unit of work (see `tasks.TURN`)."""

OPCODES: dict[type, int] = {
    CheckedMessage: TEXT,
    BinaryMessage: BINARY,
    bytes: BINARY,
    bytearray: BINARY,
}
"""The types that are sent as they are; `convert` checks or converts all others."""


def convert(data: Data) -> tuple[int, bytes | bytearray]:
    """Return the opcode and the payload for `data`.

    Raises TypeError for other types, TextNotUTF8 for a text message that is not UTF-8.
    """
    opcode = OPCODES.get(data.__class__)
    if opcode is not None:
        return opcode, data  # type: ignore[return-value]
    if isinstance(data, str):
        return TEXT, encode_text(data)
    if isinstance(data, Message):
        if data.binary:
            return BINARY, data
        check_text(data)
        return TEXT, data
    if isinstance(data, bytes | bytearray | memoryview):
        return BINARY, bytes(data)
    raise TypeError(f"can't send {type(data).__name__}: give str, bytes or a Message")


def frame_for(opcode: int, payload: bytes | bytearray, window_bits: int) -> bytes:
    """Return the frame for connections with the deflate window `window_bits`; 0 is no deflate."""
    if window_bits:
        squeezed = compress(payload, window_bits)
        if squeezed is not None:
            return encode(opcode, squeezed, FIN | RSV1)
    return encode(opcode, payload)


def as_text_if_utf8(data: Data) -> Data:
    """Return bytes that are UTF-8 as text, as the ancestor's `sendMessage` does; else `data`."""
    if isinstance(data, str | Message):
        return data
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        return data
