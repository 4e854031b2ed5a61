"""Streams of frames with any fault, and two implementations that read them."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from websockets import frames as ws
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.protocol import Protocol, Side
from websockets.utils import apply_mask

from fws_gevent.message import CheckedMessage, Message
from fws_gevent.protocol.frames import Close, Event, Fault
from fws_gevent.protocol.receiver import Limits, Receiver

from .plain_inflate import Invalid, inflate, inflate_message

Seen = tuple[str, Any]
WIDE = Limits(1 << 20, 1 << 20)
NARROW = Limits(100, 3)


class Raw(NamedTuple):
    """A frame with any bits; `form` is the first byte of its length."""

    first: int
    payload: bytes
    masked: bool
    form: int

    @property
    def data(self) -> bytes:
        """Return the frame as bytes."""
        bit = 0x80 if self.masked else 0
        extended = {126: 2, 127: 8}.get(self.form, 0)
        head = bytes([self.first, bit | self.form])
        head += len(self.payload).to_bytes(extended, "big") if extended else b""
        if not self.masked:
            return head + self.payload
        return head + b"mask" + apply_mask(self.payload, b"mask")


def raw(first: int, payload: bytes, masked: bool = True) -> Raw:
    """Return a frame whose length has the minimal form."""
    return Raw(first, payload, masked, min(len(payload), 126))


def message(opcode: int, sizes: list[int]) -> list[Raw]:
    """Return a message in frames of these sizes, with a ping among them."""
    frames = [raw(0 if place else opcode, b"a" * size) for place, size in enumerate(sizes)]
    frames[-1] = raw(frames[-1].first | 0x80, frames[-1].payload)
    return [frames[0], raw(0x89, b""), *frames[1:]]


def joined(frames: list[Raw]) -> bytes:
    """Return frames as bytes."""
    return b"".join(each.data for each in frames)


def squeeze(payload: bytes) -> bytes:
    """Return a payload compressed by RFC 7692."""
    deflater = zlib.compressobj(wbits=-15)
    return (deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


def headers(data: bytes) -> Iterator[tuple[int, int, bool]]:
    """Each whole header: where its frame starts, the size of its length, and if that is minimal."""
    position = 0
    while position + 14 <= len(data):
        short, masked = data[position + 1] & 0x7F, data[position + 1] & 0x80
        size = {126: 2, 127: 8}.get(short, 0)
        start = position + 2 + size
        length = int.from_bytes(data[position + 2 : start], "big") if size else short
        least = {0: 0, 2: 126, 8: 65536}[size]
        yield position, size, least <= length < 1 << 63
        if not masked:
            break  # nothing counts behind it
        position = start + 4 + length


class ByTheBook(PerMessageDeflate):
    """The extension of `websockets`, which checks neither the end nor blocks behind a final one.

    This one inflates by `plain_inflate`, which checks both.
    """

    _payload: bytes | None = None
    _told = 0

    def decode(self, frame: ws.Frame, *, max_size: int | None = None) -> ws.Frame:
        if frame.opcode in ws.CTRL_OPCODES:
            return frame
        if frame.opcode is not ws.Opcode.CONT:
            self._payload, self._told = (b"" if frame.rsv1 else None), 0
        elif self._payload is not None and frame.rsv1:
            raise ProtocolError("RSV1 bit set in continuation frame")
        if self._payload is None:
            return frame
        self._payload += bytes(frame.data)
        try:
            so_far = inflate(self._payload).inflated
            data = inflate_message(self._payload) if frame.fin else so_far
        except Invalid:
            raise ProtocolError("decompression failed") from None
        data, self._told = data[self._told :], len(data)
        if max_size is not None and len(data) > max_size:
            raise PayloadTooBig(None, max_size)
        if frame.fin:
            self._payload = None
        return ws.Frame(frame.opcode, data, frame.fin, False, frame.rsv2, frame.rsv3)


def judged_by_the_other(
    data: bytes, limits: Limits = WIDE, *, deflate: bool = False, size_counts: bool = True
) -> list[Seen]:
    """Return its messages and control frames, and the close code of its end."""
    protocol = Protocol(Side.SERVER, max_size=limits.max_message_size if size_counts else None)
    if deflate:
        protocol.extensions = [ByTheBook(True, True, 15, 15)]
    protocol.receive_data(data)
    seen: list[Seen] = []
    kind, parts, count, decoder = "", b"", 0, codecs.getincrementaldecoder("utf-8")()
    for each in protocol.events_received():
        assert isinstance(each, ws.Frame)
        if each.opcode in (ws.Opcode.PING, ws.Opcode.PONG):
            seen.append(("Ping" if each.opcode is ws.Opcode.PING else "Pong", bytes(each.data)))
            continue
        if each.opcode is ws.Opcode.CLOSE:
            continue
        if each.opcode is not ws.Opcode.CONT:
            kind = "Message" if each.opcode is ws.Opcode.TEXT else "BinaryMessage"
            parts, count, decoder = b"", 0, codecs.getincrementaldecoder("utf-8")()
        parts, count = parts + bytes(each.data), count + 1
        if count > limits.max_fragments:
            return [*seen, ("Fault", 1008)]
        if kind == "Message":
            try:
                decoder.decode(bytes(each.data), final=each.fin)
            except UnicodeDecodeError:
                return [*seen, ("Fault", 1007)]
        if each.fin:
            seen.append((kind, parts))
    return [*seen, *end_of(protocol)]


def end_of(protocol: Protocol) -> list[Seen]:
    """Return the close code of its end, if it has ended."""
    if protocol.close_rcvd is not None:
        return [("Close", protocol.close_rcvd.code)]
    if isinstance(protocol.parser_exc, PayloadTooBig):
        return [("Fault", 1009)]
    if str(protocol.parser_exc) == "decompression failed":
        return [("Fault", 1007)]
    if protocol.parser_exc is None:
        return []
    assert protocol.close_sent is not None
    return [("Fault", int(protocol.close_sent.code))]


def kind_of(event: Event) -> str:
    """Return the name of an event's kind; a text message from the wire is always a checked one."""
    return "Message" if type(event) is CheckedMessage else type(event).__name__


def is_over(seen: list[Seen]) -> bool:
    """Return whether bytes behind these events are discarded."""
    return bool(seen) and seen[-1][0] in ("Close", "Fault")


def judged_by_us(
    data: bytes, cuts: list[int], limits: Limits = WIDE, *, deflate: bool = False
) -> list[Seen]:
    """Return the receiver's events for the same bytes, cut anywhere."""
    receiver, seen = Receiver(limits, deflate=deflate), list[Seen]()
    for start, end in pairwise([0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]):
        for event in receiver.feed(data[start:end], end - start):
            content: Any = bytes(event) if isinstance(event, Message) else event[0]
            if isinstance(event, Close | Fault):
                content = int(event.code)
            seen.append((kind_of(event), content))
    return seen
