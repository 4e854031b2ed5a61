"""Streams with anything wrong in them: the same verdict as the library `websockets` has.

It leaves UTF-8 to its caller, so here Python's own incremental decoder says where a text breaks.
"""

from __future__ import annotations

import codecs
from itertools import pairwise
from typing import Any, NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets import frames as ws
from websockets.protocol import Protocol, Side
from websockets.utils import apply_mask

from fws_gevent.errors import CloseCode
from fws_gevent.message import Message
from fws_gevent.protocol.frames import Close, Fault
from fws_gevent.protocol.receiver import Limits, Receiver

Seen = tuple[str, Any]


class Raw(NamedTuple):
    """A frame with every bit as it is wanted; its length has the form that fits."""

    first: int
    payload: bytes
    masked: bool = True

    @property
    def data(self) -> bytes:
        """As it goes over the wire."""
        size, bit = len(self.payload), 0x80 if self.masked else 0
        if size < 126:
            head = bytes([self.first, bit | size])
        else:
            head = bytes([self.first, bit | 126]) + size.to_bytes(2, "big")
        if not self.masked:
            return head + self.payload
        return head + b"mask" + apply_mask(self.payload, b"mask")


TEXTS = st.one_of(st.text(max_size=40).map(str.encode), st.binary(max_size=130))
REASONS = st.text(max_size=40).map(str.encode)
# Never a wrong code and a wrong reason at once: which of the two is told is anybody's choice.
CLOSES = st.one_of(
    st.binary(max_size=1),
    st.builds(lambda code, reason: code.to_bytes(2, "big") + reason, st.integers(0, 5100), REASONS),
    st.builds(lambda reason: b"\x03\xe8" + reason, TEXTS),
)
FIRST = st.integers(0, 255).filter(lambda first: first != 0x88)
FRAMES = st.one_of(
    st.builds(Raw, st.sampled_from([0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A]), TEXTS),
    st.builds(Raw, st.just(0x88), CLOSES),
    st.builds(Raw, FIRST, TEXTS, st.sampled_from([True] * 9 + [False])),
)


def judged_by_the_other(data: bytes) -> list[Seen]:
    """What it reads: messages and control frames, and the close code of what ends it."""
    protocol = Protocol(Side.SERVER, max_size=None)
    protocol.receive_data(data)
    seen: list[Seen] = []
    kind, parts, decoder = "", b"", codecs.getincrementaldecoder("utf-8")()
    for each in protocol.events_received():
        assert isinstance(each, ws.Frame)
        if each.opcode in (ws.Opcode.PING, ws.Opcode.PONG):
            seen.append(("Ping" if each.opcode is ws.Opcode.PING else "Pong", bytes(each.data)))
            continue
        if each.opcode is ws.Opcode.CLOSE:
            continue
        if each.opcode is not ws.Opcode.CONT:
            kind = "Message" if each.opcode is ws.Opcode.TEXT else "BinaryMessage"
            parts, decoder = b"", codecs.getincrementaldecoder("utf-8")()
        parts += bytes(each.data)
        if kind == "Message":
            try:
                decoder.decode(bytes(each.data), final=each.fin)
            except UnicodeDecodeError:
                return [*seen, ("Fault", CloseCode.INVALID_PAYLOAD)]
        if each.fin:
            seen.append((kind, parts))
    if protocol.parser_exc is not None:
        assert protocol.close_sent is not None
        seen.append(("Fault", protocol.close_sent.code))
    elif protocol.close_rcvd is not None:
        seen.append(("Close", protocol.close_rcvd.code))
    return seen


def judged_by_us(data: bytes, cuts: list[int]) -> list[Seen]:
    receiver, seen = Receiver(Limits(1 << 20, 1 << 20)), []
    for start, end in pairwise([0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]):
        for event in receiver.feed(data[start:end], end - start):
            content: Any = bytes(event) if isinstance(event, Message) else event[0]
            seen.append((type(event).__name__, content))
            if isinstance(event, Close | Fault):
                return [*seen[:-1], (seen[-1][0], int(event.code))]
    return seen


@settings(deadline=None, max_examples=300)
@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(0, 400), max_size=6))
@example([Raw(0x81, b"\xed\xa0\x80")], [])  # half of a surrogate pair
@example([Raw(0x01, b"\xf4"), Raw(0x80, b"\x90\x80\x80")], [])  # beyond the last character
@example([Raw(0x88, b"\x03\xed")], [])  # 1005 is never sent
@example([Raw(0x88, b"\x03\xe8\xff")], [])
def test_a_stream_with_faults_gets_the_same_verdict(frames: list[Raw], cuts: list[int]) -> None:
    data = b"".join(each.data for each in frames)
    assert judged_by_us(data, cuts) == judged_by_the_other(data)
