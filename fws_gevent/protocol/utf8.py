"""Checks of UTF-8, piece by piece, which find an invalid byte as soon as it is there."""

from __future__ import annotations

from codecs import utf_8_decode


def is_utf8(data: bytes | bytearray) -> bool:
    """Return whether `data` is UTF-8 as a text message must be (RFC 6455 §8.1)."""
    if data.isascii():
        return True
    try:
        utf_8_decode(data, "strict", True)
    except UnicodeDecodeError:
        return False
    return True


def unfinished_utf8(pending: bytes, piece: bytes) -> bytes:
    """Check the next `piece` of a text and return the incomplete character at its end.

    `pending` is the result of the piece before, b"" at first; a text is complete if its last
    piece returns b"". Raises UnicodeDecodeError at the first invalid byte (RFC 6455 §8.1).
    """
    if not pending and piece.isascii():
        return b""
    text = pending + piece
    _, consumed = utf_8_decode(text, "strict", False)
    rest = text[consumed:]
    if rest[:1] == b"\xed" and rest[1:2] >= b"\xa0":
        # The decoder would wait for the last byte of a surrogate, which is invalid already.
        raise UnicodeDecodeError("utf-8", rest, 0, 2, "surrogates not allowed")
    return rest
