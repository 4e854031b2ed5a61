"""Frames: the events of a client's bytes, and the encoding of the server's messages."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fws_gevent.message import Message
from fws_gevent.protocol.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    RSV1,
    TEXT,
    Event,
    Fault,
)
from fws_gevent.protocol.receiver import Limits, Receiver

from .streams import kind_of

MASK = b"\x11\x82\x03\xf4"
Seen = tuple[str, Any]


def mask(payload: bytes, key: bytes = MASK) -> bytes:
    return bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))


def head(opcode: int, length: int, *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """Return the header of a frame in its minimal form, without the masking key."""
    first, bit = (FIN if fin else 0) | rsv | opcode, 0x80 if masked else 0
    if length < 126:
        return bytes((first, bit | length))
    if length < 65536:
        return bytes((first, bit | 126)) + length.to_bytes(2, "big")
    return bytes((first, bit | 127)) + length.to_bytes(8, "big")


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    return head(opcode, len(payload), fin=fin, rsv=rsv) + MASK + mask(payload)


def fragments(opcode: int, *payloads: bytes, rsv: int = 0) -> bytes:
    """Return one message, each of the payloads in a frame of its own."""
    last = len(payloads) - 1
    return b"".join(
        frame(
            CONTINUATION if index else opcode, payload, fin=index == last, rsv=0 if index else rsv
        )
        for index, payload in enumerate(payloads)
    )


FINAL = b"\xf3\x48\xcd\xc9\xc9\x07\x00"
"""Hello, in a block with BFINAL set (RFC 7692 §7.2.3.4)."""


def squeeze(payload: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return (deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


def seen(event: Event) -> Seen:
    """Return an event in a form that can be compared; a fault by its code alone."""
    name = kind_of(event)
    if isinstance(event, Message):
        return name, bytes(event)
    return name, int(event.code) if isinstance(event, Fault) else tuple(event)


def receive(
    data: bytes, cuts: Iterable[int] = (), *, limits: Limits | None = None, deflate: bool = False
) -> list[Seen]:
    """Return the events of `data`, cut at `cuts` and fed from one buffer that is reused."""
    receiver = Receiver(limits or Limits(), deflate=deflate)
    buffer, events = bytearray(b"\xff") * (len(data) + 8), list[Event]()
    for start, end in pairwise([0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]):
        buffer[: end - start] = data[start:end]
        events += receiver.feed(buffer, end - start)
    return [seen(event) for event in events]


def text(payload: str) -> Seen:
    return ("Message", payload.encode())


def binary(payload: bytes) -> Seen:
    return ("BinaryMessage", payload)


def fault(code: int) -> Seen:
    return ("Fault", code)


HELLO = frame(TEXT, b"hello")
SMALL = Limits(max_message_size=300, max_fragments=4)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 7, 125, 126, 127, 300, 65535, 65536, 70001])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_of_every_length_form_comes_whole(opcode: int, size: int) -> None:
    payload = (b"0123456789" * (size // 10 + 1))[:size]
    expected = [("Message" if opcode == TEXT else "BinaryMessage", payload)] * 2
    data = frame(opcode, payload) * 2
    assert receive(data) == expected
    assert receive(data, [1, 5, 9, size, size + 3]) == expected


VALID: list[tuple[str, bytes, list[Seen]]] = [
    ("text", frame(TEXT, "é€𝄞".encode()), [text("é€𝄞")]),
    ("binary", frame(BINARY, b"\xff\x00"), [binary(b"\xff\x00")]),
    ("fragments", fragments(TEXT, b"he", b"", b"llo"), [text("hello")]),
    ("binary fragments", fragments(BINARY, b"\xff", b"\xfe"), [binary(b"\xff\xfe")]),
    ("empty fragments", fragments(TEXT, b"", b"", b""), [text("")]),
    ("a character in fragments", fragments(TEXT, b"a\xe2", b"\x82", b"\xac"), [text("a€")]),
    ("ping", frame(PING, b"p" * 125), [("Ping", (b"p" * 125,))]),
    ("pong", frame(PONG), [("Pong", (b"",))]),
    (
        "control frames inside fragments",
        frame(TEXT, b"\xe2\x82", fin=False) + frame(PING, b"\xff") + frame(PONG, b"2")
        + frame(CONTINUATION, b"\xac") + HELLO,
        [("Ping", (b"\xff",)), ("Pong", (b"2",)), text("€"), text("hello")],
    ),
    ("close", frame(CLOSE), [("Close", (1005, ""))]),
    ("close with code", frame(CLOSE, b"\x03\xe8"), [("Close", (1000, ""))]),
    ("close with reason", frame(CLOSE, b"\x0f\xa0" + "é".encode()), [("Close", (4000, "é"))]),
    (
        "close inside fragments",
        frame(TEXT, b"never", fin=False) + frame(CLOSE) + frame(CONTINUATION, b"whole"),
        [("Close", (1005, ""))],
    ),
    ("compressed", frame(TEXT, squeeze(b"abc" * 50), rsv=RSV1), [text("abc" * 50)]),
    ("compressed binary", frame(BINARY, squeeze(b"\xff" * 50), rsv=RSV1), [binary(b"\xff" * 50)]),
    ("compressed nothing", frame(TEXT, b"\x00", rsv=RSV1), [text("")]),
    ("compressed by two final blocks", frame(TEXT, FINAL + FINAL + b"\x00", rsv=RSV1),
     [text("HelloHello")]),
    ("a final block alone", frame(TEXT, FINAL, rsv=RSV1), [text("Hello")]),
    ("a final block and another", frame(TEXT, FINAL + squeeze(b", world"), rsv=RSV1),
     [text("Hello, world")]),
    ("final blocks over fragments",
     fragments(TEXT, FINAL[:3], FINAL[3:] + b"\x03", b"\x00", squeeze("é".encode()), rsv=RSV1),
     [text("Helloé")]),
    ("compressed, plain, compressed",
     frame(TEXT, squeeze(b"a"), rsv=RSV1) + HELLO + frame(TEXT, squeeze(b"b"), rsv=RSV1),
     [text("a"), text("hello"), text("b")]),
    (
        "compressed fragments around a ping",
        frame(TEXT, squeeze("é€".encode())[:3], fin=False, rsv=RSV1) + frame(PING)
        + frame(CONTINUATION, squeeze("é€".encode())[3:]),
        [("Ping", (b"",)), text("é€")],
    ),
]  # fmt: skip

FAULTY: list[tuple[str, bytes, int]] = [
    *(("unmasked", head(opcode, 3, masked=False) + b"abc", 1002) for opcode in (1, 2, 8, 9, 10)),
    ("unmasked, 16 bits", head(BINARY, 126, masked=False) + bytes(126), 1002),
    ("unmasked continuation", frame(TEXT, b"a", fin=False) + b"\x80\x00abcdef", 1002),
    *(("RSV2", frame(opcode, b"a", rsv=0x20), 1002) for opcode in (1, 2, 9)),
    *(("RSV3", frame(opcode, b"a", rsv=0x10), 1002) for opcode in (1, 2, 9)),
    *(("opcode", frame(opcode), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
    ("fragmented ping", frame(PING, b"a", fin=False), 1002),
    ("fragmented close", frame(CLOSE, b"", fin=False), 1002),
    ("long ping", frame(PING, bytes(126)), 1002),
    ("long close", frame(CLOSE, b"\x03\xe8" + b"a" * 124), 1002),
    ("continuation of nothing", frame(CONTINUATION, b"a"), 1002),
    ("continuation of a whole message", HELLO + frame(CONTINUATION, b"a"), 1002),
    ("text inside fragments", frame(TEXT, b"a", fin=False) + HELLO, 1002),
    ("binary inside fragments", frame(TEXT, b"a", fin=False) + frame(BINARY, b"abc"), 1002),
    ("125 in 16 bits", b"\x82\xfe\x00\x7d" + MASK + bytes(125), 1002),
    ("0 in 16 bits", b"\x82\xfe\x00\x00" + MASK, 1002),
    ("200 in 64 bits", b"\x82\xff" + (200).to_bytes(8, "big") + MASK + bytes(200), 1002),
    ("65535 in 64 bits", b"\x82\xff" + (65535).to_bytes(8, "big"), 1002),
    ("bit 63 set", b"\x82\xff" + (1 << 63).to_bytes(8, "big"), 1002),
    ("bad UTF-8", frame(TEXT, b"ab\xff"), 1007),
    ("unfinished UTF-8", frame(TEXT, b"ab\xe2\x82"), 1007),
    ("surrogate", frame(TEXT, b"\xed\xa0\x80"), 1007),
    ("bad UTF-8 in fragments", fragments(TEXT, b"\xe2", b"a"), 1007),
    ("unfinished UTF-8 in fragments", fragments(TEXT, b"\xe2", b"\x82", b""), 1007),
    ("close with one byte", frame(CLOSE, b"\x03"), 1002),
    ("close with bad code", frame(CLOSE, (1005).to_bytes(2, "big")), 1002),
    ("close with bad reason", frame(CLOSE, b"\x03\xe8\xff"), 1007),
]

FAULTY_UNCOMPRESSED: list[tuple[str, bytes, int]] = [
    *(("RSV1", frame(opcode, b"a", rsv=RSV1), 1002) for opcode in (1, 2, 8, 9, 10)),
    ("RSV1 on continuation",
     frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"a", rsv=RSV1), 1002),
]  # fmt: skip

FAULTY_COMPRESSED: list[tuple[str, bytes, int]] = [
    ("RSV1 and RSV2", frame(TEXT, squeeze(b"a"), rsv=0x60), 1002),
    ("RSV1 on ping", frame(PING, b"a", rsv=RSV1), 1002),
    ("RSV1 on close", frame(CLOSE, b"", rsv=RSV1), 1002),
    ("RSV1 on continuation",
     frame(TEXT, b"a", fin=False, rsv=RSV1) + frame(CONTINUATION, b"a", rsv=RSV1), 1002),
    ("no deflate inside", frame(TEXT, b"\xff\xff\xff", rsv=RSV1), 1007),
    ("bad UTF-8 inside", frame(TEXT, squeeze(b"a\xff"), rsv=RSV1), 1007),
    ("unfinished UTF-8 inside", frame(TEXT, squeeze(b"a\xe2"), rsv=RSV1), 1007),
    ("too big inside", frame(TEXT, squeeze(b"a" * 301), rsv=RSV1), 1009),
    ("bad UTF-8 inside, then too big", frame(TEXT, squeeze(b"a\xff" + b"a" * 400), rsv=RSV1), 1007),
    ("bad UTF-8 where it is too big", frame(TEXT, squeeze(b"a" * 300 + b"\xff"), rsv=RSV1), 1007),
    ("too big inside, then bad UTF-8", frame(TEXT, squeeze(b"a" * 301 + b"\xff"), rsv=RSV1), 1009),
    ("too big over fragments",
     fragments(BINARY, squeeze(b"a" * 301)[:3], squeeze(b"a" * 301)[3:], rsv=RSV1), 1009),
    # A stored block of 4 bytes, whose data would be the 4 that the wire leaves out.
    ("cut short in a stored block", frame(BINARY, b"\x00\x04\x00\xfb\xff", rsv=RSV1), 1007),
    ("cut short in a block", frame(TEXT, squeeze(b"abc" * 50)[:-1], rsv=RSV1), 1007),
    ("cut short in fragments",
     fragments(TEXT, squeeze(b"abc" * 50)[:-1], b"", rsv=RSV1), 1007),
    ("garbage behind a final block", frame(TEXT, FINAL + b"no deflate", rsv=RSV1), 1007),
    ("garbage behind the end", frame(TEXT, squeeze(b"a") + b"\x00" * 9, rsv=RSV1), 1007),
    ("too big behind a final block",
     frame(BINARY, FINAL + squeeze(b"a" * 300), rsv=RSV1), 1009),
    ("many final blocks", frame(BINARY, b"\x03\x00" * 6, rsv=RSV1), 1008),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "expected"), VALID)
def test_valid_bytes_give_their_events_wherever_they_are_cut(
    name: str, data: bytes, expected: list[Seen]
) -> None:
    assert receive(data, deflate=True) == expected
    assert receive(data, range(len(data)), deflate=True) == expected
    for cut in range(len(data)):
        assert receive(data, [cut], deflate=True) == expected


@pytest.mark.parametrize(("name", "data", "code"), FAULTY)
@pytest.mark.parametrize("deflate", [False, True])
def test_a_broken_frame_is_one_fault_with_and_without_deflate(
    name: str, data: bytes, code: int, deflate: bool
) -> None:
    assert_fault(data, code, Limits(), deflate=deflate)
    assert_fault(data, code, SMALL, deflate=deflate)


@pytest.mark.parametrize(("name", "data", "code"), FAULTY_UNCOMPRESSED)
def test_a_reserved_bit_without_an_agreed_extension_is_a_fault(
    name: str, data: bytes, code: int
) -> None:
    assert_fault(data, code, Limits(), deflate=False)


@pytest.mark.parametrize(("name", "data", "code"), FAULTY_COMPRESSED)
def test_a_broken_compressed_message_is_one_fault(name: str, data: bytes, code: int) -> None:
    assert_fault(data, code, SMALL, deflate=True)


def assert_fault(data: bytes, code: int, limits: Limits, *, deflate: bool) -> None:
    """Check that `data` ends in one fault, after the valid events before it and before none."""
    before = [("Ping", (b"1",)), text("hello")]
    data = frame(PING, b"1") + HELLO + data
    whole = receive(data + HELLO, deflate=deflate, limits=limits)
    assert [event for event in whole if event != text("hello")] == [before[0], fault(code)]
    assert whole[:2] == before
    assert whole[-1] == fault(code)
    for cut in range(len(data)):
        assert receive(data + HELLO, [cut], deflate=deflate, limits=limits) == whole
    assert receive(data + HELLO, range(len(data)), deflate=deflate, limits=limits) == whole


def test_nothing_comes_after_a_close_or_a_fault_in_later_bytes() -> None:
    for last in (frame(CLOSE), frame(3), frame(CLOSE, b"\x03")):
        receiver = Receiver(Limits())
        assert len(receiver.feed(last, len(last))) == 1
        assert receiver.feed(HELLO, len(HELLO)) == []


STREAMS = st.lists(
    st.one_of(
        st.sampled_from([data for _, data, _ in VALID]),
        st.sampled_from([data for _, data, _ in FAULTY + FAULTY_UNCOMPRESSED + FAULTY_COMPRESSED]),
        st.builds(frame, st.sampled_from([TEXT, BINARY, PING, PONG]), st.binary(max_size=125)),
        st.builds(
            frame, st.integers(0, 15), st.binary(max_size=140),
            fin=st.booleans(), rsv=st.sampled_from([0, 0, 0, RSV1, 0x20]),
        ),
        st.builds(lambda data: frame(BINARY, squeeze(data), rsv=RSV1), st.binary(max_size=310)),
        st.binary(max_size=20),
    ),
    max_size=6,
).map(b"".join)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(
    STREAMS,
    st.lists(st.integers(0, 400), max_size=8),
    st.sampled_from([SMALL, Limits(max_fragments=4)]),
    st.booleans(),
)
def test_each_way_to_cut_a_stream_gives_the_same_events(
    data: bytes, cuts: list[int], limits: Limits, deflate: bool
) -> None:
    whole = receive(data, limits=limits, deflate=deflate)
    assert receive(data, cuts, limits=limits, deflate=deflate) == whole
    assert receive(data, range(len(data)), limits=limits, deflate=deflate) == whole
    assert all(name not in ("Close", "Fault") for name, _ in whole[:-1])
