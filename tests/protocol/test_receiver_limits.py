"""The limits of a receiver: refusals by size, their moment, and the bytes that are held."""

from __future__ import annotations

import tracemalloc

import pytest
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from fws_gevent.message import Message
from fws_gevent.protocol.frames import Close, Event, Fault, Ping
from fws_gevent.protocol.receiver import INFLATED, Limits, Receiver

CONT, TEXT, BINARY, PING = Opcode.CONT, Opcode.TEXT, Opcode.BINARY, Opcode.PING


def frame(opcode: Opcode, payload: bytes = b"", *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=True)


def squeezed(payload: bytes, opcode: Opcode = BINARY) -> bytes:
    """Return a compressed message in one frame, as a client sends it."""
    return Frame(opcode, payload).serialize(
        mask=True,
        extensions=[
            PerMessageDeflate(
                remote_no_context_takeover=True,
                local_no_context_takeover=True,
                remote_max_window_bits=15,
                local_max_window_bits=15,
            )
        ],
    )


def header(opcode: Opcode, length: int) -> bytes:
    """Return the header of a frame as far as its length, without the masking key."""
    announced = length.to_bytes(8 if length > 65535 else 2, "big")
    return bytes((0x80 | opcode, 255 if length > 65535 else 254)) + announced


def feed(receiver: Receiver, *pieces: bytes) -> list[Event]:
    return [event for piece in pieces for event in receiver.feed(piece, len(piece))]


def codes(events: list[Event]) -> list[int | None]:
    """Return the code of each event that is a fault."""
    return [int(event.code) if isinstance(event, Fault) else None for event in events]


@pytest.mark.parametrize("limit", [1, 5, 125, 126, 1000, 65535, 65536, 70000])
def test_a_message_of_the_limit_comes_and_a_byte_more_is_refused(limit: int) -> None:
    limits = Limits(max_message_size=limit)
    for opcode in (TEXT, BINARY):
        assert feed(Receiver(limits), frame(opcode, b"a" * limit)) == [b"a" * limit]
        assert codes(feed(Receiver(limits), frame(opcode, b"a" * (limit + 1)))) == [1009]


@pytest.mark.parametrize("length", [1001, 65535, 65536, 1 << 40, (1 << 63) - 1])
def test_a_big_message_is_refused_before_any_of_its_bytes_came(length: int) -> None:
    receiver = Receiver(Limits(max_message_size=1000))
    announced = header(BINARY, length)
    assert feed(receiver, announced[:-1]) == []
    assert codes(feed(receiver, announced[-1:])) == [1009]


def test_the_sum_of_the_fragments_counts_and_is_refused_by_the_header_too() -> None:
    receiver = Receiver(Limits(max_message_size=1000))
    assert feed(receiver, frame(BINARY, bytes(600), fin=False)) == []
    assert feed(receiver, frame(CONT, bytes(300), fin=False)) == []
    assert codes(feed(receiver, header(CONT, 126))) == [1009]


def test_fragments_that_sum_up_to_the_limit_come_and_the_next_message_starts_anew() -> None:
    receiver = Receiver(Limits(max_message_size=10))
    one = frame(BINARY, b"12345", fin=False) + frame(CONT, b"67890")
    assert feed(receiver, one, one) == [b"1234567890"] * 2


@pytest.mark.parametrize("cap", [1, 2, 5])
def test_a_message_of_as_many_fragments_as_may_be_comes_and_one_more_is_1008(cap: int) -> None:
    limits = Limits(max_fragments=cap)
    pieces = [frame(CONT if i else TEXT, b"a", fin=i == cap - 1) for i in range(cap)]
    receiver = Receiver(limits)
    assert feed(receiver, *pieces, *pieces) == ["a" * cap] * 2
    flood = [frame(CONT if i else TEXT, b"", fin=False) for i in range(cap)]
    receiver = Receiver(limits)
    assert feed(receiver, *flood) == []
    assert codes(feed(receiver, frame(CONT, b"a"))) == [1008]


def test_the_documented_limits_are_the_defaults() -> None:
    assert Limits() == Limits(max_message_size=1 << 20, max_fragments=4096)


def test_compression_without_agreement_is_refused() -> None:
    assert codes(feed(Receiver(Limits()), squeezed(b"a"))) == [1002]


@pytest.mark.parametrize("start", [b"\x83", b"\xf1", b"\x80", b"\x09", b"\x89\xff", b"\x81\x05"])
def test_a_broken_header_is_refused_at_its_second_byte(start: bytes) -> None:
    receiver = Receiver(Limits())
    both = start.ljust(2, b"\x80")
    assert feed(receiver, both[:1]) == []
    assert codes(feed(receiver, both[1:])) == [1002]


def test_the_limit_of_messages_does_not_hold_for_control_frames() -> None:
    receiver = Receiver(Limits(max_message_size=1, max_fragments=1))
    reason = "r" * 123
    last = Frame(Opcode.CLOSE, b"\x03\xe8" + reason.encode()).serialize(mask=True)
    events = feed(receiver, frame(PING, b"p" * 125), frame(TEXT, b"a"), last)
    assert events == [Ping(b"p" * 125), "a", Close(1000, reason)]


def test_control_frames_are_no_fragments() -> None:
    receiver = Receiver(Limits(max_fragments=2))
    ping = frame(PING, b"x")
    events = feed(receiver, frame(TEXT, b"a", fin=False), *[ping] * 10, frame(CONT, b"b"))
    assert events == [*[Ping(b"x")] * 10, "ab"]


@pytest.mark.parametrize("start", [b"\xff", b"\xc0", b"\xed\xa0", b"\xe2a"])
def test_bad_utf8_is_refused_as_soon_as_seen(start: bytes) -> None:
    whole = frame(TEXT, start + b"a" * 1000)
    seen = 4 + 4 + len(start)
    receiver = Receiver(Limits())
    assert feed(receiver, whole[: seen - 1]) == []
    assert codes(feed(receiver, whole[seen - 1 : seen])) == [1007]
    receiver = Receiver(Limits())
    assert codes(feed(receiver, frame(TEXT, b"ab" + start, fin=False))) == [1007]
    receiver = Receiver(Limits())
    assert feed(receiver, frame(TEXT, start[:-1], fin=False)) == []
    assert codes(feed(receiver, frame(CONT, start[-1:], fin=False))) == [1007]


def test_bad_utf8_is_refused_as_soon_as_it_is_inflated() -> None:
    whole = squeezed(b"\xff" * 10 + bytes(range(128)) * 20, TEXT)
    receiver = Receiver(Limits(), deflate=True)
    assert codes(feed(receiver, whole[:-1])) == [1007]


@pytest.mark.parametrize("limit", [10, 1000, 70000])
def test_a_compressed_message_may_inflate_to_the_limit_and_no_further(limit: int) -> None:
    limits = Limits(max_message_size=limit)
    assert feed(Receiver(limits, deflate=True), squeezed(bytes(limit))) == [bytes(limit)]
    assert codes(feed(Receiver(limits, deflate=True), squeezed(bytes(limit + 1)))) == [1009]


def test_a_message_of_the_limit_comes_though_deflate_made_it_longer() -> None:
    payload = bytes(range(256)) * 4
    limits = Limits(max_message_size=len(payload))
    stored = b"\x00\x00\x04\xff\xfb" + payload  # 1024 bytes that deflate keeps as they are
    whole = frame(BINARY, stored + b"\x00")
    compressed = bytes((whole[0] | 0x40,)) + whole[1:]
    assert feed(Receiver(limits, deflate=True), compressed) == [payload]


def test_a_bomb_is_refused_and_takes_no_more_memory_than_the_limit() -> None:
    bomb = squeezed(bytes(64 << 20))
    receiver = Receiver(Limits(max_message_size=128 << 10), deflate=True)
    assert len(bomb) < 128 << 10
    tracemalloc.start()
    try:
        events = feed(receiver, bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert codes(events) == [1009]
    assert peak < 1 << 20


def test_a_bomb_is_refused_before_its_frame_is_whole() -> None:
    bomb = squeezed(bytes(1 << 20))
    receiver = Receiver(Limits(max_message_size=10_000), deflate=True)
    assert codes(feed(receiver, bomb[:100])) == [1009]


def test_a_message_is_not_taken_from_the_buffer_that_is_read_into_next() -> None:
    receiver = Receiver(Limits())
    for payload in (b"a" * 20, b"b" * 70000):
        whole = frame(BINARY, payload)
        buffer = bytearray(whole)
        (message,) = receiver.feed(buffer, len(whole))
        buffer[:] = bytes(len(buffer))
        assert message == payload
        buffer.clear()  # a view that was left on it would forbid this


def test_bytes_past_the_size_are_not_looked_at() -> None:
    receiver = Receiver(Limits())
    whole = frame(TEXT, b"hello world")
    buffer = bytearray(whole)
    assert receiver.feed(buffer, 8) == []
    assert receiver.feed(buffer[8:], 0) == []
    assert receiver.feed(buffer[8:] + b"\xff" * 20, len(whole) - 8) == ["hello world"]


def test_each_message_is_an_object_of_its_own() -> None:
    receiver = Receiver(Limits())
    first, second = feed(receiver, frame(TEXT, b"same text") * 2)
    assert isinstance(first, Message)
    first += b", changed"
    assert second == "same text"


@pytest.mark.parametrize("step", [1 << 20, 1000, 7])
def test_one_feed_inflates_about_its_share_and_the_rest_comes_later(step: int) -> None:
    size = 300_000
    receiver = Receiver(Limits(), deflate=True)
    stream = squeezed(bytes(size)) * 20 + frame(PING, b"x") + frame(TEXT, b"the last")
    events: list[Event] = []
    for start in range(0, len(stream), step):
        piece = stream[start : start + step]
        portions = [receiver.feed(piece, len(piece))]
        while receiver.more:
            portions.append(receiver.go_on())
        assert max(len(each) for each in portions) * size <= INFLATED + size or len(portions) == 1
        events += [event for portion in portions for event in portion]
    assert events == [*[bytes(size)] * 20, Ping(b"x"), "the last"]
    assert receiver.take_inflated() == 20 * size
    assert receiver.take_inflated() == 0
