"""What can be sent, and the frames it becomes."""

from __future__ import annotations

from ..message import BinaryMessage, CheckedMessage, Message, check_text, encode_text
from .deflate import compress
from .frames import BINARY, FIN, RSV1, TEXT, encode

Data = str | bytes | bytearray | memoryview
"""What `send` and `broadcast` take: `str` goes as text, a `Message` as it came, bytes as binary."""

COMPRESSED = 256
"""Bytes that take a unit of work to compress (see `tasks.TURN`)."""

OPCODES: dict[type, int] = {
    CheckedMessage: TEXT,
    BinaryMessage: BINARY,
    bytes: BINARY,
    bytearray: BINARY,
}
"""The types that go out as they are; `convert` checks or converts every other one."""


def convert(data: Data) -> tuple[int, bytes | bytearray]:
    """The opcode and the payload for `data`.

    Raises TypeError for what can't be sent, TextNotUTF8 for a text that clients must not take.
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
    """The frame for connections that agreed on deflate with `window_bits`, or on none (0)."""
    if window_bits:
        squeezed = compress(payload, window_bits)
        if squeezed is not None:
            return encode(opcode, squeezed, FIN | RSV1)
    return encode(opcode, payload)


def as_text_if_utf8(data: Data) -> Data:
    """Bytes that are UTF-8 as the text that the ancestor's `sendMessage` took them for."""
    if isinstance(data, str | Message):
        return data
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        return data
