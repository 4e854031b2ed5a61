"""One message, put together from the payloads of its frames: limits, UTF-8 and deflate."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from ..errors import CloseCode
from ..message import BinaryMessage, CheckedMessage, Message
from .deflate import MIN_SIZE, IncompleteMessage, Inflater
from .frames import Fault
from .utf8 import unfinished_utf8

_STEP = 2048
"""Bytes inflated at once: what they become, up to 2 MiB, is there three times for a moment."""

_FINAL_BLOCK = 1024  # bytes that could be inflated in the time that a final block takes


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may send: bytes of one message (inflated), and fragments of one.

    As many DEFLATE blocks with BFINAL set are allowed in a message as fragments.
    """

    max_message_size: int = 1 << 20
    max_fragments: int = 4096


class Broken(Exception):
    """The client broke the protocol or a limit: `fault` says how."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        self.fault = Fault(code, reason)


class Assembly:
    """The message whose frames are coming; every method raises Broken."""

    __slots__ = ("_fragments", "_inflater", "_limits", "_pending", "inflated", "message")

    def __init__(self, limits: Limits, *, binary: bool, compressed: bool) -> None:
        self.message = BinaryMessage() if binary else Message()
        self._limits = limits
        self._fragments = 1
        self._pending = b""  # the start of a character at the end of a text so far
        self._inflater = Inflater() if compressed else None
        self.inflated = 0
        """Bytes that were inflated, and as much for each final block as it costs."""

    def __len__(self) -> int:
        """The bytes that are kept until the message is complete."""
        return len(self.message) + len(self._pending)

    def check_next(self, length: int) -> None:
        """Refuse a continuation frame if its header announces too much."""
        check_size(length, len(self.message), self._limits, compressed=self._inflater is not None)
        if self._fragments >= self._limits.max_fragments:
            raise Broken(
                CloseCode.POLICY_VIOLATION,
                f"message of over {self._limits.max_fragments} fragments",
            )

    def next_frame(self) -> None:
        """Count a continuation frame whose header is complete."""
        self._fragments += 1

    def absorb(self, piece: bytes) -> None:
        """Take the next piece of the payload, unmasked."""
        inflater = self._inflater
        if inflater is None:
            self._add(piece)
            return
        for start in range(0, len(piece), _STEP):
            rest = piece[start : start + _STEP]
            while rest:
                self._add(self._inflate(inflater, rest))
                rest = self._go_on(inflater) if inflater.ended else b""

    def finish(self) -> Message:
        """Return the message; its last frame is complete."""
        if self._inflater is not None:
            self._check_end(self._inflater)
        if self._pending:
            raise not_utf8()
        message = self.message
        if not message.binary:
            message.__class__ = CheckedMessage
        return message

    def _add(self, piece: bytes) -> None:
        message = self.message
        if not message.binary:
            # First of all: with bytes one by one, too, what is no text is seen before the excess.
            self._pending = check_piece(self._pending, piece)
        if len(message) + len(piece) > self._limits.max_message_size:
            raise too_big(self._limits.max_message_size)
        message += piece

    def _inflate(self, inflater: Inflater, piece: bytes) -> bytes:
        most = self._limits.max_message_size - len(self.message) + 1  # one more is too big
        try:
            inflated = inflater.feed(piece, most)
        except zlib.error:
            raise Broken(CloseCode.INVALID_PAYLOAD, "payload is not deflate") from None
        self.inflated += len(inflated)
        return inflated

    def _go_on(self, inflater: Inflater) -> bytes:
        """Return the bytes behind a final block. Each of these costs a new decompressor."""
        most = self._limits.max_fragments
        if inflater.final_blocks >= most:
            raise Broken(CloseCode.POLICY_VIOLATION, f"message of over {most} final blocks")
        self.inflated += _FINAL_BLOCK
        return inflater.go_on(self.message)

    def _check_end(self, inflater: Inflater) -> None:
        """Refuse a compressed message that doesn't end where a block does (RFC 7692 §7.2.2)."""
        try:
            inflater.finish()
        except zlib.error:
            raise Broken(CloseCode.INVALID_PAYLOAD, "payload is not deflate") from None
        except IncompleteMessage:
            raise Broken(CloseCode.INVALID_PAYLOAD, "compressed payload is incomplete") from None


def check_size(length: int, kept: int, limits: Limits, *, compressed: bool) -> None:
    """Refuse a data frame as soon as its header announces too much, or raise Broken.

    `length` is that of its payload, `kept` that of the message so far.
    """
    most = limits.max_message_size
    # What counts is what it inflates to; deflate makes nothing longer than by an eighth.
    room = most + most // 8 + MIN_SIZE if compressed else most - kept
    if length > room:
        raise too_big(most)


def check_piece(pending: bytes, piece: bytes) -> bytes:
    """Check a piece of a text; see `unfinished_utf8`. Raises Broken."""
    try:
        return unfinished_utf8(pending, piece)
    except UnicodeDecodeError:
        raise not_utf8() from None


def not_utf8() -> Broken:
    """Return the fault of a text that is not UTF-8 (RFC 6455 §8.1)."""
    return Broken(CloseCode.INVALID_PAYLOAD, "text is not UTF-8")


def too_big(limit: int) -> Broken:
    """Return the fault of a message that is longer than allowed."""
    return Broken(CloseCode.MESSAGE_TOO_BIG, f"message over {limit} bytes")
