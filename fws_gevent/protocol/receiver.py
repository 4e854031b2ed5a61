"""The receiving half of a connection: a client's bytes in, events out (RFC 6455 §5, §8)."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import CloseCode
from ..message import BinaryMessage, Message, checked_message
from .assembly import Assembly, Limits, ProtocolViolation, check_piece, check_size, not_utf8
from .frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    MASKED,
    MAX_CONTROL,
    PING,
    PONG,
    RSV1,
    TEXT,
    Event,
    Fault,
    Ping,
    Pong,
    header_fault,
    parse_close,
)

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform for which websockets has no wheel and no compiler
    from websockets.utils import apply_mask

__all__ = ["Limits", "Receiver"]

INFLATED = 1 << 20
"""Bytes of inflated messages after which other connections have their turn, about 2 ms."""

_FIN_TEXT = FIN | TEXT
_WHOLE: dict[int, Callable[[bytes], Message]] = {
    FIN | TEXT: checked_message,
    FIN | BINARY: BinaryMessage,
}
"""The makers of a message by the first byte of a whole, uncompressed frame."""


class Receiver:
    """The receiving half of one server-side connection; its bytes may be split anywhere.

    After a Close or a Fault there are no more events: later bytes are discarded (§7.1.1).

    It pauses after `INFLATED` bytes of inflated messages: then `more` is true, and `go_on` must be
    called before more bytes are fed. With `room`, it pauses behind the first message until `widen`
    is called, and more than `room` bytes before that are a fault.
    """

    __slots__ = (
        "_deflate",
        "_ended",
        "_fin",
        "_inflated",
        "_limits",
        "_mask",
        "_message",
        "_quick",
        "_remaining",
        "_rest",
        "_room",
        "more",
    )

    def __init__(self, limits: Limits, *, deflate: bool = False, room: int | None = None) -> None:
        self._limits = limits
        self._room = room
        self.more = False
        """True if it paused before the end of the bytes that it was fed."""
        self._inflated = 0
        self._deflate = deflate
        self._ended = False
        # Between two messages, with no bytes left over, and a frame under 64 KiB is in all limits.
        self._quick = limits.max_message_size >= 65535
        self._rest = b""  # the start of a header, or of a control frame
        self._message: Assembly | None = None  # the message that is being put together
        self._remaining = 0  # bytes of the current data frame that are missing
        self._mask = b""
        self._fin = False

    @property
    def narrow(self) -> bool:
        """Return whether `widen` was not called yet; until then `feed_narrow` takes the bytes."""
        return self._room is not None

    def feed_narrow(self, data: bytes | bytearray) -> list[Event]:
        """Return the events up to the first message, or a fault for more than `room` bytes."""
        assert self._room is not None
        self._room -= len(data)
        if self._room >= 0 or self._ended:
            return self.feed(data, len(data))
        self._end()
        return [Fault(CloseCode.MESSAGE_TOO_BIG, "too much before the first message")]

    def widen(self, limits: Limits) -> list[Event]:
        """Set other limits; return the events behind the first message."""
        self._limits, self._room = limits, None
        return self.go_on()

    def take_inflated(self) -> int:
        """Return the bytes inflated since the last call."""
        inflated, self._inflated = self._inflated, 0
        return inflated

    def go_on(self) -> list[Event]:
        """Return the events of the bytes that it paused before."""
        self.more = False
        rest, self._rest = self._rest, b""
        return self.feed(rest, len(rest))

    def feed(self, data: bytes | bytearray, size: int) -> list[Event]:
        """Return the events that the next `size` bytes of `data` complete, in order.

        A fault is the last one; valid messages before it are events.
        """
        if 5 < size < 132 and data[0] == _FIN_TEXT and data[1] - size == 122 and self._quick:
            # One short text and nothing else, as in a chat, takes half the time so.
            payload = apply_mask(data[6:size], data[2:6])
            if payload.isascii():
                return [checked_message(payload)]
        events: list[Event] = []
        try:
            position = self._whole(data, size, events) if self._quick else 0
            if position != size:
                self._pieces(data, position, size, events)
        except ProtocolViolation as violation:
            self._end()
            events.append(violation.fault)
        return events

    def _end(self) -> None:
        self._ended, self._quick = True, False
        self._message = None
        self._rest = b""

    def _whole(self, data: bytes | bytearray, size: int, events: list[Event]) -> int:
        """Take whole messages of one frame each, and return the end of the last one.

        This takes a third of the time of `_frame`, which would return the same events.
        """
        position = 0
        while size - position >= 8:
            kind = _WHOLE.get(data[position])
            if kind is None:
                break
            second = data[position + 1]
            if second < 254:
                start = position + 6
                end = start - MASKED + second
            elif second == 254:
                start = position + 8
                end = start + (data[position + 2] << 8 | data[position + 3])
                if end - start < 126:
                    break
            else:
                start = position + 14
                end = start + int.from_bytes(data[position + 2 : start - 4], "big")
                if not 65536 <= end - start <= self._limits.max_message_size:
                    break
            if end > size or second < MASKED:
                break
            mask = data[start - 4 : start]
            if second < 255:
                payload = apply_mask(data[start:end], mask)
            else:
                with memoryview(data) as view:
                    payload = apply_mask(view[start:end], mask)
            if not payload.isascii() and kind is checked_message:
                _check_text(payload)
            events.append(kind(payload))
            position = end
        return position

    def _pieces(
        self, data: bytes | bytearray, position: int, size: int, events: list[Event]
    ) -> None:
        """Take frame by frame; an incomplete header is kept until more bytes come."""
        if self._ended:
            return
        most = self._inflated + INFLATED
        if self._rest:
            data = self._rest + data[position:size]
            position, size = 0, len(data)
        if self._remaining:
            position = self._payload(data, 0, size, events)
        while not self._ended:
            if self._inflated >= most:
                self.more = position < size
                break
            if self._room is not None and self._waits(events):
                break
            after = self._frame(data, position, size, events)
            if after < 0:
                break
            position = after
        self._rest = b"" if self._ended else bytes(data[position:size])
        between_messages = not (self._rest or self._ended or self._message is not None)
        self._quick = between_messages and self._limits.max_message_size >= 65535

    def _waits(self, events: list[Event]) -> bool:
        """Return whether the first message came, so that the next bytes wait for `widen`."""
        return self._room is not None and bool(events) and isinstance(events[-1], Message)

    def _frame(self, data: bytes | bytearray, position: int, size: int, events: list[Event]) -> int:
        """Take one frame or a part of its payload; return the end, -1 in an incomplete header."""
        start = position + 2
        if size < start:
            return -1
        first, second = data[position], data[position + 1]
        opcode, length = first & 0x0F, second & 0x7F
        self._check_header(first, opcode, second)
        if length > MAX_CONTROL:
            start += 2 if length == 126 else 8
            if size < start:
                return -1
            length = _extended(data[position + 2 : start])
        if opcode < CLOSE:
            if self._message is None:
                check_size(length, 0, self._limits, compressed=bool(first & RSV1))
            else:
                self._message.check_next(length)
        start += 4
        if size < start:
            return -1
        mask = bytes(data[start - 4 : start])
        if opcode >= CLOSE:
            if size < start + length:
                return -1
            self._control(opcode, apply_mask(data[start : start + length], mask), events)
            return start + length
        if self._message is None:
            self._message = Assembly(
                self._limits, binary=opcode == BINARY, compressed=bool(first & RSV1)
            )
        else:
            self._message.next_frame()
        self._fin = first >= FIN
        self._remaining = length
        self._mask = mask
        return self._payload(data, start, size, events)

    def _check_header(self, first: int, opcode: int, second: int) -> None:
        """Check the first two bytes of a frame (RFC 6455 §5.2, §5.4)."""
        fault = header_fault(first, second, compression=self._deflate)
        if fault is None and opcode < CLOSE:
            if opcode == CONTINUATION and self._message is None:
                fault = "continuation frame without a message"
            elif opcode != CONTINUATION and self._message is not None:
                fault = "new message inside a fragmented one"
        if fault is not None:
            raise ProtocolViolation(CloseCode.PROTOCOL_ERROR, fault)

    def _control(self, opcode: int, payload: bytes, events: list[Event]) -> None:
        if opcode == PING:
            events.append(Ping(payload))
        elif opcode == PONG:
            events.append(Pong(payload))
        else:
            self._ended = True
            self._message = None
            events.append(parse_close(payload))

    def _payload(self, data: bytes | bytearray, start: int, size: int, events: list[Event]) -> int:
        """Take the part of the current data frame's payload that is here; return its end."""
        message = self._message
        assert message is not None  # _frame has begun one
        take = min(self._remaining, size - start)
        if take:
            with memoryview(data) as view:
                piece = apply_mask(view[start : start + take], self._mask)
            turn = take & 3
            self._mask = self._mask[turn:] + self._mask[:turn]
            self._remaining -= take
            message.absorb(piece)
        if not self._remaining and self._fin:
            events.append(message.finish())
            self._inflated += message.inflated
            self._message = None
        return start + take


def _extended(field: bytes | bytearray) -> int:
    """Return an extended payload length of two or eight bytes, which must be minimal (§5.2)."""
    length = int.from_bytes(field, "big")
    if length < (126 if len(field) == 2 else 65536) or length >> 63:
        raise ProtocolViolation(CloseCode.PROTOCOL_ERROR, "payload length is not minimal")
    return length


def _check_text(payload: bytes) -> None:
    if check_piece(b"", payload):
        raise not_utf8()
