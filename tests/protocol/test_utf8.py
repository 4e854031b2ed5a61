"""UTF-8 checked piece by piece."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fws_gevent.protocol.utf8 import unfinished_utf8

CUTS = st.lists(st.integers(0, 40), max_size=5)


def check(data: bytes, cuts: list[int]) -> bytes:
    """Return the incomplete character at the end of `data`, cut at `cuts`."""
    pending = b""
    for start, end in pairwise([0, *sorted(cuts), len(data)]):
        pending = unfinished_utf8(pending, data[start:end])
    return pending


@settings(deadline=None)
@given(st.text(), CUTS)
def test_a_text_passes_however_it_is_cut(text: str, cuts: list[int]) -> None:
    assert check(text.encode(), cuts) == b""


@settings(deadline=None)
@given(st.binary(max_size=12), CUTS)
@example(b"\xe2\x82", [1])
@example(b"\xed\xa0\x80", [1, 2])
def test_however_it_is_cut_a_text_is_whole_only_if_it_is_utf8(data: bytes, cuts: list[int]) -> None:
    try:
        data.decode()
    except UnicodeDecodeError:
        valid = False
    else:
        valid = True
    try:
        whole = check(data, cuts) == b""
    except UnicodeDecodeError:
        whole = False
    assert whole is valid


@pytest.mark.parametrize("start", ["é", "€", "𝄞"])
def test_the_start_of_a_character_is_returned_and_its_end_completes_it(start: str) -> None:
    encoded = start.encode()
    for cut in range(1, len(encoded)):
        assert unfinished_utf8(b"", b"abc" + encoded[:cut]) == encoded[:cut]
        assert unfinished_utf8(encoded[:cut], encoded[cut:] + b"abc") == b""


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"\x80", id="continuation"),
        pytest.param(b"\xc0", id="overlong-2"),
        pytest.param(b"\xe0\x80", id="overlong-3"),
        pytest.param(b"\xf0\x80", id="overlong-4"),
        pytest.param(b"\xed\xa0", id="surrogate"),
        pytest.param(b"\xf4\x90", id="past-10FFFF"),
        pytest.param(b"\xf5", id="past-F4"),
        pytest.param(b"\xff", id="FF"),
        pytest.param(b"\xe2a", id="unfinished-before-ascii"),
    ],
)
def test_a_bad_start_is_refused_at_its_first_bad_byte(start: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        check(b"abc" + start, [])
    with pytest.raises(UnicodeDecodeError):
        check(b"abc" + start, [3 + len(start) - 1])


def test_ascii_after_an_unfinished_character_is_refused() -> None:
    with pytest.raises(UnicodeDecodeError):
        unfinished_utf8(b"\xe2", b"abc")
