"""The assembly of compressed messages: their end, and their final blocks."""

from __future__ import annotations

import operator
import zlib
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fws_gevent.message import BinaryMessage, CheckedMessage
from fws_gevent.protocol.assembly import Assembly, Limits, ProtocolViolation

from .plain_inflate import TAIL, Invalid, inflate_message

HELLO = b"\xf3\x48\xcd\xc9\xc9\x07\x00"
"""Hello in a block with BFINAL set (RFC 7692 §7.2.3.4)."""


def assembled(
    payload: bytes, cuts: list[int], limits: Limits | None = None, *, binary: bool = True
) -> bytes | int:
    """Assemble a compressed message, cut anywhere; return it, or the close code of its fault."""
    assembly = Assembly(limits or Limits(), binary=binary, compressed=True)
    try:
        for start, end in pairwise([0, *sorted(cuts), len(payload)]):
            assembly.absorb(payload[start:end])
        return bytes(assembly.finish())
    except ProtocolViolation as broken:
        return int(broken.fault.code)


def by_the_book(payload: bytes) -> bytes | int:
    try:
        return inflate_message(payload)
    except Invalid:
        return 1007


def blocks(content: bytes, level: int, strategy: int, bits: int, flush: int) -> bytes:
    """Some blocks of DEFLATE that inflate to `content`, twice without an end between them."""
    deflater = zlib.compressobj(level, zlib.DEFLATED, -bits, 8, strategy)
    whole = deflater.compress(content) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return whole + deflater.compress(content) + deflater.flush(flush)


CONTENT = st.one_of(
    st.binary(max_size=12),
    st.builds(operator.mul, st.binary(min_size=1, max_size=5), st.integers(1, 60)),
)
BLOCKS = st.lists(
    st.builds(
        blocks,
        CONTENT,
        st.sampled_from([0, 1, 6]),
        st.integers(zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED),
        st.sampled_from([9, 15]),
        st.sampled_from([zlib.Z_FINISH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH]),
    ),
    min_size=1,
    max_size=3,
).map(b"".join)
CUTS = st.lists(st.integers(0, 200), max_size=4)
EDITS = st.lists(
    st.tuples(st.integers(0, 1000), st.integers(0, 4), st.binary(max_size=3)), max_size=2
)


@settings(deadline=None, max_examples=300)
@given(BLOCKS, EDITS, st.booleans(), CUTS)
@example(b"", [], True, [])
@example(b"\x00\x04\x00\xfb\xff", [], True, [])  # its data would be what the wire leaves out
@example(b"\x00\x00\x00\xff", [], True, [])
@example(b"\x01", [], True, [])  # an empty stored block, with BFINAL set
def test_a_message_inflates_as_in_an_independent_inflater_or_is_an_error_in_both(
    payload: bytes, edits: list[tuple[int, int, bytes]], as_sent: bool, cuts: list[int]
) -> None:
    for place, drop, insert in edits:
        place %= len(payload) + 1
        payload = payload[:place] + insert + payload[place + drop :]
    if as_sent:
        payload = payload.removesuffix(TAIL)
    cuts = [min(cut, len(payload)) for cut in cuts]
    assert assembled(payload, cuts) == by_the_book(payload)


@pytest.mark.parametrize(
    ("payload", "content"),
    [
        (b"\xf2\x48\xcd\xc9\xc9\x07\x00", b"Hello"),  # §7.2.3.1
        (b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", b"Hello"),  # §7.2.3.3
        (HELLO + b"\x00", b"Hello"),  # §7.2.3.4
        (b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", b"Hello"),  # §7.2.3.5
        (b"\x00", b""),  # §7.2.3.6
        (HELLO, b"Hello"),
        (HELLO + HELLO + b"\x03\x00" + HELLO + b"\x00", b"Hello" * 3),
    ],
)
def test_the_examples_of_rfc_7692_inflate(payload: bytes, content: bytes) -> None:
    for cut in range(len(payload) + 1):
        assert assembled(payload, [cut], binary=False) == content


def test_a_block_behind_a_final_one_may_refer_to_earlier_bytes() -> None:
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
    content = bytes(range(256)) * 2
    first = deflater.compress(content) + deflater.flush(zlib.Z_FULL_FLUSH)
    again = zlib.compressobj(6, zlib.DEFLATED, -15, zdict=content)
    second = again.compress(content) + again.flush(zlib.Z_SYNC_FLUSH)
    assert len(second) < 30
    assert assembled(first + b"\x03\x00" + second.removesuffix(TAIL), []) == content * 2


@pytest.mark.parametrize("last", [b"", b"\x00"])
def test_a_message_that_is_cut_short_anywhere_is_an_error(last: bytes) -> None:
    whole = blocks(b"some text, some text", 6, zlib.Z_DEFAULT_STRATEGY, 15, zlib.Z_SYNC_FLUSH)
    payload = HELLO + whole.removesuffix(TAIL)
    for end in range(len(HELLO) + 1, len(payload)):
        cut = payload[:end] + last
        assert assembled(cut, []) == by_the_book(cut)
    assert assembled(payload[:-1], []) == 1007
    assert assembled(payload[:-3], []) == 1007


@pytest.mark.parametrize("garbage", [b"this is no DEFLATE", b"\xff", b"\x07", b"\x00\x00"])
def test_garbage_behind_a_final_block_is_an_error(garbage: bytes) -> None:
    assert assembled(HELLO + garbage, []) == 1007


def test_as_many_final_blocks_are_taken_as_fragments_and_one_more_is_1008() -> None:
    limits = Limits(max_message_size=1000, max_fragments=50)
    assert assembled(HELLO * 50 + b"\x00", [], limits) == b"Hello" * 50
    assert assembled(HELLO * 51 + b"\x00", [], limits) == 1008
    assert assembled(b"\x03\x00" * 50, [], limits) == b""
    assert assembled(b"\x03\x00" * 51, [], limits) == 1008


def test_bytes_behind_a_final_block_count_against_the_limit() -> None:
    limits = Limits(max_message_size=9)
    assert assembled(HELLO + HELLO, [], limits) == 1009
    assert assembled(HELLO + HELLO, [], Limits(max_message_size=10)) == b"Hello" * 2


@pytest.mark.parametrize("binary", [True, False])
def test_a_message_has_its_kind_and_a_text_is_known_to_be_utf8(binary: bool) -> None:
    assembly = Assembly(Limits(), binary=binary, compressed=False)
    assembly.absorb("grüße".encode()[:3])
    assembly.absorb("grüße".encode()[3:])
    assert len(assembly) == len("grüße".encode())
    assert type(assembly.finish()) is (BinaryMessage if binary else CheckedMessage)
