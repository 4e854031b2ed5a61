"""Whole frames that a receiver takes at once, and bytes that only look like one.

A payload that is masked with zeros is in the stream as it is, so it can look like a frame.
"""

from __future__ import annotations

import pytest

from fws_gevent.protocol.receiver import Limits

from .streams import Raw, joined, judged_by_us, raw, squeeze

ZEROS = bytes(4)
INNER = b"\x81\x85" + ZEROS + b"hello"


@pytest.mark.parametrize("size", [126, 127, 200, 0x7E7E, 65535, 65536])
def test_the_start_of_a_long_text_is_not_taken_for_a_short_text(size: int) -> None:
    data = b"\x81" + announced(size) + ZEROS + b"a" * size
    expected = [("Message", b"a" * size)]
    for cut in range(150):
        assert judged_by_us(data, [cut]) == expected


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_frame_inside_a_payload_is_not_taken_for_one(count: int) -> None:
    inside = INNER * count
    for first, name in ((0x89, "Ping"), (0x8A, "Pong"), (0x82, "BinaryMessage")):
        data = INNER + bytes([first, 0x80 | len(inside)]) + ZEROS + inside + INNER
        expected = [("Message", b"hello"), (name, inside), ("Message", b"hello")]
        for cut in range(len(data)):
            assert judged_by_us(data, [cut]) == expected
            assert judged_by_us(data, [cut, cut + len(INNER)]) == expected


def test_a_new_message_inside_a_fragmented_one_is_a_fault() -> None:
    data = b"\x01\x81" + ZEROS + b"a" + INNER
    for cut in range(len(data)):
        assert judged_by_us(data, [cut]) == [("Fault", 1002)]


@pytest.mark.parametrize("limit", [10, 125, 126, 1000, 65534, 65535, 65536, 70000])
@pytest.mark.parametrize("before", [raw(0x82, b"a"), raw(0xC2, squeeze(b"a")), raw(0x89, b"a")])
def test_a_limit_holds_for_every_message_of_a_connection(limit: int, before: Raw) -> None:
    first = joined([before])
    fits, too_big = (b"\x82" + announced(size) + bytes(4 + size) for size in (limit, limit + 1))
    seen = judged_by_us(first, [], Limits(limit), deflate=True)
    for cuts in ([len(first)], []):
        whole = judged_by_us(first + fits, cuts, Limits(limit), deflate=True)
        assert whole == [*seen, ("BinaryMessage", bytes(limit))]
        refused = judged_by_us(first + too_big, cuts, Limits(limit), deflate=True)
        assert refused == [*seen, ("Fault", 1009)]


def test_a_message_after_a_compressed_one_is_refused_by_its_header_too() -> None:
    first = joined([raw(0xC2, squeeze(b"a"))])
    announced_alone = b"\x82" + announced(1001)
    seen = judged_by_us(first + announced_alone, [], Limits(1000), deflate=True)
    assert seen == [("BinaryMessage", b"a"), ("Fault", 1009)]


def announced(size: int) -> bytes:
    """Return a masked length in its minimal form."""
    if size < 126:
        return bytes([0x80 | size])
    return b"\xfe" + size.to_bytes(2, "big") if size < 65536 else b"\xff" + size.to_bytes(8, "big")
