"""permessage-deflate: its negotiation, and compressed messages."""

from __future__ import annotations

import hashlib
import operator
import tracemalloc
import zlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fws_gevent.protocol.deflate import (
    MIN_SIZE,
    Deflate,
    Inflater,
    InvalidExtensionHeader,
    accept_offer,
    compress,
    parse_extensions,
)

TAIL = b"\x00\x00\xff\xff"
TERMS = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
NOISE = hashlib.shake_128(b"noise").digest(4096)


def squeeze(payload: bytes, bits: int = 15) -> bytes:
    """Compress a message as another implementation does (RFC 7692 §7.2.1)."""
    deflater = zlib.compressobj(wbits=-bits)
    return (deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def unsqueeze(payload: bytes, bits: int) -> bytes:
    """Inflate a message as another implementation does, with a window of `bits` (§7.2.2)."""
    inflater, inflated, rest = zlib.decompressobj(-bits), b"", payload + TAIL
    # In small steps: within one step zlib would find what lies outside of its window, too.
    while step := inflater.decompress(rest, 32):
        inflated, rest = inflated + step, inflater.unconsumed_tail
    return inflated


ACCEPTED = [
    ("permessage-deflate", 15, False),
    ("permessage-deflate; client_max_window_bits", 15, False),
    ("permessage-deflate; client_max_window_bits=8", 15, False),
    ('permessage-deflate; client_max_window_bits="15"', 15, False),
    ("permessage-deflate; server_no_context_takeover", 15, False),
    ("permessage-deflate; client_no_context_takeover", 15, False),
    ("permessage-deflate; server_max_window_bits=15", 15, True),
    ("permessage-deflate; server_max_window_bits=14", 12, True),
    ("permessage-deflate; server_max_window_bits=10", 9, True),
    ('permessage-deflate; server_max_window_bits="9"', 9, True),
    ("permessage-deflate; server_max_window_bits=8", 8, True),
    (f"{TERMS}; client_max_window_bits; server_max_window_bits=12", 12, True),
    ("permessage-deflate ;server_max_window_bits = 12;client_max_window_bits", 12, True),
    ("permessage-deflate\t;\tserver_max_window_bits=12", 12, True),
    ("x-other; a=1, permessage-deflate", 15, False),
    ("permessage-deflate; server_max_window_bits=9, permessage-deflate", 9, True),
    ("permessage-deflate; unknown, permessage-deflate", 15, False),
    ("permessage-deflate; server_max_window_bits=16, permessage-deflate", 15, False),
    ('x-other; a="permessage-deflate, ;", permessage-deflate', 15, False),
    # RFC 9110 §5.6.1.2: empty members of a list are to be ignored.
    (", permessage-deflate", 15, False),
    ("permessage-deflate,", 15, False),
    ("permessage-deflate, ", 15, False),
    ("x-other,, permessage-deflate", 15, False),
]

DECLINED = [
    "",
    "x-webkit-deflate-frame",
    "permessage-deflate2",
    "Xpermessage-deflate",
    "permessage-deflate; unknown",
    "permessage-deflate; unknown=1",
    "permessage-deflate; server_max_window_bits",
    "permessage-deflate; server_max_window_bits=7",
    "permessage-deflate; server_max_window_bits=16",
    "permessage-deflate; server_max_window_bits=010",
    "permessage-deflate; server_max_window_bits=ten",
    'permessage-deflate; server_max_window_bits=""',
    'permessage-deflate; server_max_window_bits=" 10"',
    "permessage-deflate; client_max_window_bits=7",
    "permessage-deflate; client_max_window_bits=16",
    'permessage-deflate; client_max_window_bits=""',
    "permessage-deflate; server_no_context_takeover=1",
    "permessage-deflate; client_no_context_takeover=true",
    'permessage-deflate; client_no_context_takeover=""',
    "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
    "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
    "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    "permessage-deflate; server_max_window_bits=10; unknown",
]

BROKEN = [
    "permessage-deflate;",
    "permessage-deflate; =1",
    "permessage-deflate; a=",
    'permessage-deflate; a="1',
    "permessage-deflate; a=1 b",
    "permessage-deflate x-other",
    "permessage deflate",
    '"permessage-deflate"',
    "; a",
    "permessage-deflate; a=(",
]


@pytest.mark.parametrize(("header", "bits", "named"), ACCEPTED)
def test_an_acceptable_offer_is_taken_with_its_window(header: str, bits: int, named: bool) -> None:
    assert accept_offer(header) == Deflate(bits, named)


@pytest.mark.parametrize("header", DECLINED)
def test_an_offer_with_unknown_doubled_or_wrong_parts_is_declined(header: str) -> None:
    assert accept_offer(header) is None


@pytest.mark.parametrize("header", BROKEN)
def test_a_header_against_the_grammar_is_refused(header: str) -> None:
    with pytest.raises(InvalidExtensionHeader):
        accept_offer(header)


def test_every_offer_is_parsed_with_its_parameters_in_order() -> None:
    assert parse_extensions('a; x; y=1; z="q; r, s", b') == [
        ("a", [("x", None), ("y", "1"), ("z", "q; r, s")]),
        ("b", []),
    ]


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ("permessage-deflate; client_max_window_bits", TERMS),
        (
            "permessage-deflate; server_max_window_bits=15",
            f"{TERMS}; server_max_window_bits=15",
        ),
        ("permessage-deflate; server_max_window_bits=8", f"{TERMS}; server_max_window_bits=8"),
    ],
)
def test_the_answer_refuses_context_takeover_and_names_a_window_only_if_asked(
    offer: str, answer: str
) -> None:
    terms = accept_offer(offer)
    assert terms is not None
    assert terms.header == answer


PAYLOADS = st.one_of(
    st.binary(max_size=300),
    st.builds(operator.mul, st.binary(min_size=1, max_size=40), st.integers(1, 200)),
)


@settings(deadline=None)
@given(PAYLOADS, st.integers(9, 15))
def test_a_compressed_message_inflates_in_the_agreed_window(payload: bytes, bits: int) -> None:
    squeezed = compress(payload, bits)
    if squeezed is not None:
        assert len(squeezed) < len(payload)
        assert unsqueeze(squeezed, bits) == payload


@pytest.mark.parametrize("bits", range(9, 15))
def test_matches_farther_away_than_the_agreed_window_are_not_used(bits: int) -> None:
    payload = NOISE[:200] + bytes((1 << bits) - 180) + NOISE[:200]
    with pytest.raises(zlib.error):
        unsqueeze(squeeze(payload, bits + 1), bits)
    squeezed = compress(payload, bits)
    assert squeezed is not None
    assert unsqueeze(squeezed, bits) == payload


def test_a_larger_window_squeezes_more() -> None:
    payload = NOISE * 2
    assert compress(payload, 9) is None
    squeezed = compress(payload, 15)
    assert squeezed is not None
    assert len(squeezed) < len(payload) * 0.6


@pytest.mark.parametrize("size", [0, 1, MIN_SIZE, 1000, 100_000])
def test_with_a_window_of_8_bits_nothing_is_compressed(size: int) -> None:
    assert compress(bytes(size), 8) is None


def test_small_and_incompressible_messages_go_as_they_are() -> None:
    assert compress(b"a" * (MIN_SIZE - 1), 15) is None
    assert compress(b"a" * MIN_SIZE, 15) is not None
    assert compress(NOISE, 15) is None


def test_a_message_is_compressed_exactly_when_that_makes_it_shorter() -> None:
    gains = set()
    for size in range(100):
        payload = NOISE[:100] + bytes(size)
        squeezed, gain = compress(payload, 15), len(payload) - len(squeeze(payload))
        assert (squeezed is not None) is (gain > 0)
        gains.add(gain)
    assert {-1, 0, 1} <= gains


def test_each_message_is_compressed_on_its_own() -> None:
    payload = b"the same text again and again " * 10
    assert compress(payload, 15) == compress(bytearray(payload), 15)


@settings(deadline=None)
@given(PAYLOADS, st.integers(9, 15), st.lists(st.integers(0, 400), max_size=5))
def test_a_message_inflates_however_it_is_cut(payload: bytes, bits: int, cuts: list[int]) -> None:
    squeezed, inflater = squeeze(payload, bits), Inflater()
    pieces = [
        inflater.feed(squeezed[start:end], len(payload) + 1)
        for start, end in pairwise([0, *sorted(cuts), len(squeezed)])
    ]
    inflater.finish()
    assert b"".join(pieces) == payload


def test_a_message_that_looks_back_as_far_as_may_be_inflates_piece_by_piece() -> None:
    payload = NOISE + bytes((1 << 15) - len(NOISE) - 300) + NOISE
    squeezed, inflater = squeeze(payload), Inflater()
    assert len(squeezed) < len(NOISE) + 1000  # the second noise is found in the first
    pieces = [inflater.feed(bytes([byte]), 1 << 20) for byte in squeezed]
    inflater.finish()
    assert b"".join(pieces) == payload


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_feed_returns_at_most_the_bytes_asked_for(size: int) -> None:
    assert Inflater().feed(squeeze(bytes(size)), size + 1) == bytes(size)
    assert Inflater().feed(squeeze(bytes(size + 1)), size) == bytes(size)


def test_a_bomb_takes_memory_for_the_bytes_asked_for_alone() -> None:
    bomb = squeeze(bytes(16 << 20))
    inflater = Inflater()
    tracemalloc.start()
    try:
        assert len(inflater.feed(bomb, 1001)) == 1001
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 256 << 10


@pytest.mark.parametrize("piece", [b"\xff\xff", b"\x06garbage"])
def test_bytes_that_are_not_deflate_are_an_error(piece: bytes) -> None:
    with pytest.raises(zlib.error):
        Inflater().feed(piece, 1000)
