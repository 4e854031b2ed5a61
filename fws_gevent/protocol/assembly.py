"""The assembly of a message from its frames (RFC 6455 §5.4): limits, UTF-8 and deflate."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from ..errors import CloseCode
from ..message import BinaryMessage, CheckedMessage, Message
from .deflate import MIN_SIZE, IncompleteMessage, Inflater
from .frames import Fault
from .utf8 import unfinished_utf8

_STEP = 2048
"""Bytes inflated at once; up to three copies of the result, of 2 MiB at most, exist then."""

_FINAL_BLOCK = 1024  # bytes that inflate in the time that a final block costs


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one message: its bytes, inflated, and its fragments.

    `max_fragments` also limits the DEFLATE blocks with BFINAL set in a message.
    """

    max_message_size: int = 1 << 20
    max_fragments: int = 4096


class ProtocolViolation(Exception):
    """The client violated the protocol or a limit; `fault` has the close code and the reason."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        self.fault = Fault(code, reason)


class Assembly:
    """A message whose frames are coming in. Each method raises ProtocolViolation."""

    __slots__ = ("_fragments", "_inflater", "_limits", "_pending", "inflated", "message")

    def __init__(self, limits: Limits, *, binary: bool, compressed: bool) -> None:
        self.message = BinaryMessage() if binary else Message()
        self._limits = limits
        self._fragments = 1
        self._pending = b""  # the first bytes of a character that the text so far ends in
        self._inflater = Inflater() if compressed else None
        self.inflated = 0
        """Bytes inflated so far, plus `_FINAL_BLOCK` for each final block."""

    def __len__(self) -> int:
        """Return the bytes that are held until the message is complete."""
        return len(self.message) + len(self._pending)

    def check_next(self, length: int) -> None:
        """Check the length that the header of a continuation frame announces."""
        check_size(length, len(self.message), self._limits, compressed=self._inflater is not None)
        if self._fragments >= self._limits.max_fragments:
            raise ProtocolViolation(
                CloseCode.POLICY_VIOLATION,
                f"message of over {self._limits.max_fragments} fragments",
            )

    def next_frame(self) -> None:
        """Count a continuation frame whose header is complete."""
        self._fragments += 1

    def absorb(self, piece: bytes) -> None:
        """Add the next piece of the payload, unmasked."""
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
        """Return the message, whose last frame is complete."""
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
            # Before the size, so that the fault does not depend on how the bytes are split.
            self._pending = check_piece(self._pending, piece)
        if len(message) + len(piece) > self._limits.max_message_size:
            raise too_big(self._limits.max_message_size)
        message += piece

    def _inflate(self, inflater: Inflater, piece: bytes) -> bytes:
        most = (
            self._limits.max_message_size - len(self.message) + 1
        )  # one byte over the limit shows the excess
        try:
            inflated = inflater.feed(piece, most)
        except zlib.error:
            raise ProtocolViolation(CloseCode.INVALID_PAYLOAD, "payload is not deflate") from None
        self.inflated += len(inflated)
        return inflated

    def _go_on(self, inflater: Inflater) -> bytes:
        """Return the bytes behind a final block, each of which costs a new decompressor."""
        most = self._limits.max_fragments
        if inflater.final_blocks >= most:
            raise ProtocolViolation(
                CloseCode.POLICY_VIOLATION, f"message of over {most} final blocks"
            )
        self.inflated += _FINAL_BLOCK
        return inflater.go_on(self.message)

    def _check_end(self, inflater: Inflater) -> None:
        """Refuse a compressed message that doesn't end where a block does (RFC 7692 §7.2.2)."""
        try:
            inflater.finish()
        except zlib.error:
            raise ProtocolViolation(CloseCode.INVALID_PAYLOAD, "payload is not deflate") from None
        except IncompleteMessage:
            raise ProtocolViolation(
                CloseCode.INVALID_PAYLOAD, "compressed payload is incomplete"
            ) from None


def check_size(length: int, kept: int, limits: Limits, *, compressed: bool) -> None:
    """Check the length that the header of a data frame announces.

    `length` is that of the payload, `kept` that of the message so far. Raises ProtocolViolation.
    """
    most = limits.max_message_size
    # The limit is for the inflated size; deflate adds an eighth to a payload at most.
    room = most + most // 8 + MIN_SIZE if compressed else most - kept
    if length > room:
        raise too_big(most)


def check_piece(pending: bytes, piece: bytes) -> bytes:
    """Check a piece of a text, see `unfinished_utf8`. Raises ProtocolViolation."""
    try:
        return unfinished_utf8(pending, piece)
    except UnicodeDecodeError:
        raise not_utf8() from None


def not_utf8() -> ProtocolViolation:
    """Return the error for a text that is not UTF-8 (RFC 6455 §8.1)."""
    return ProtocolViolation(CloseCode.INVALID_PAYLOAD, "text is not UTF-8")


def too_big(limit: int) -> ProtocolViolation:
    """Return the error for a message that is longer than allowed."""
    return ProtocolViolation(CloseCode.MESSAGE_TOO_BIG, f"message over {limit} bytes")
