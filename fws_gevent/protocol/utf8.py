"""UTF-8 checked piece by piece, so that a bad byte is refused as soon as it is seen."""

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
    """Check the next `piece` of a text and return the start of a character it ends in.

    `pending` is what the piece before returned (b"" at first); a text is whole when the last
    piece returns b"". Raises UnicodeDecodeError at the first byte that no UTF-8 text has there
    (RFC 6455 §8.1).
    """
    if not pending and piece.isascii():
        return b""
    text = pending + piece
    _, consumed = utf_8_decode(text, "strict", False)
    rest = text[consumed:]
    if rest[:1] == b"\xed" and rest[1:2] >= b"\xa0":
        # The one bad start that the decoder waits to see the end of: a surrogate's.
        raise UnicodeDecodeError("utf-8", rest, 0, 2, "surrogates not allowed")
    return rest
