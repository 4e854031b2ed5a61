"""Streams with any fault: the receiver and the library `websockets` agree.

A verdict is the events, and the close code of the fault that ends the stream. The library differs
in these points alone:

- It leaves the UTF-8 of messages to its caller, so here Python's own incremental decoder finds the
  end of the valid text; and it has no limit of fragments.
- It takes lengths in a longer form than necessary. Here those are faults (§5.2).
- It refuses a Close among the fragments of a message, after it has read it. §5.4 allows one.
- Its code for invalid deflate is 1002. RFC 7692 names no code; here it is 1007, that of other
  invalid payloads.
- It checks the length of a frame before its other faults, and applies the limit of messages to
  control frames, which have one of their own (§5.5).
"""

from __future__ import annotations

from itertools import chain

from hypothesis import example, given, settings
from hypothesis import strategies as st

from .streams import (
    NARROW,
    Raw,
    headers,
    is_over,
    joined,
    judged_by_the_other,
    judged_by_us,
    message,
    raw,
    squeeze,
)

TEXTS = st.one_of(st.text(max_size=40).map(str.encode), st.binary(max_size=130))
REASONS = st.text(max_size=40).map(str.encode)
# Never a wrong code and a wrong reason at once: which of the two is told is anybody's choice.
CLOSES = st.one_of(
    st.binary(max_size=1),
    st.builds(lambda code, reason: code.to_bytes(2, "big") + reason, st.integers(0, 5100), REASONS),
    st.builds(lambda reason: b"\x03\xe8" + reason, TEXTS),
)
DATA = st.sampled_from([0x81, 0x82, 0x01, 0x02, 0x00, 0x80])
FRAMES = st.one_of(
    st.builds(raw, DATA | st.sampled_from([0x89, 0x8A]), TEXTS),
    st.builds(raw, st.just(0x88), CLOSES),
    st.builds(
        raw,
        st.integers(0, 255).filter(lambda first: first != 0x88),
        TEXTS,
        st.sampled_from([True] * 9 + [False]),
    ),
)
SQUEEZED = st.builds(
    raw,
    st.sampled_from([0xC1, 0xC2, 0x41, 0x42, 0x80, 0x00]),
    st.one_of(TEXTS.map(squeeze), st.binary(max_size=20)),
)
CUTS = st.lists(st.integers(0, 400), max_size=6)


@settings(deadline=None, max_examples=300)
@given(st.lists(FRAMES, max_size=6), CUTS)
@example([raw(0x81, b"\xed\xa0\x80")], [])  # half of a surrogate pair
@example([raw(0x01, b"\xf4"), raw(0x80, b"\x90\x80\x80")], [])  # beyond the last character
@example([raw(0x88, b"\x03\xed")], [])  # 1005 is never sent
@example([raw(0x88, b"\x03\xe8\xff")], [])
@example([raw(0x01, b"a"), raw(0x88, b"\x03\xe8")], [])
@example([raw(0x01, b"a"), raw(0x88, b"\x03\xed")], [])
def test_a_stream_with_faults_gets_the_same_verdict(frames: list[Raw], cuts: list[int]) -> None:
    data = joined(frames)
    assert judged_by_us(data, cuts) == judged_by_the_other(data)


@settings(deadline=None, max_examples=300)
@given(st.lists(SQUEEZED | FRAMES, max_size=5), CUTS)
@example([raw(0x41, squeeze(b"\xe2\x82\xac")[:2]), raw(0x80, squeeze(b"\xe2\x82\xac")[2:])], [])
@example([raw(0xC1, squeeze(b"\xe2\x82"))], [])
@example([raw(0xC2, b"\xff\xff")], [])
@example([raw(0x41, b""), raw(0xC0, b"")], [])  # RSV1 is the first frame's alone
@example([raw(0xC9, b"")], [])  # and of messages alone
def test_a_stream_of_compressed_messages_with_faults_gets_the_same_verdict(
    frames: list[Raw], cuts: list[int]
) -> None:
    data = joined(frames)
    ours, other = judged_by_us(data, cuts, deflate=True), judged_by_the_other(data, deflate=True)
    if other[-1:] == [("Fault", 1007)] and ours[-1:] == [("Fault", 1002)]:
        # It inflates before it looks at other bits, and whether the message may begin here.
        other[-1] = ours[-1]
        assert frames_with_both(frames)
    assert ours == other


def frames_with_both(frames: list[Raw]) -> bool:
    """Return whether a frame could be refused for its payload as well as for its header."""
    inside = False
    for first, *_ in frames:
        if first & 0x0F in (1, 2) and (inside or first & 0x30) and first & 0x40:
            return True
        if first & 0x0F in (0, 1, 2):
            inside = first < 0x80
    return False


SIZED = st.lists(st.sampled_from([0, 1, 30, 60, 99, 100, 101, 130]), min_size=1, max_size=5)
BIG = st.one_of(
    st.builds(message, st.sampled_from([1, 2]), SIZED),
    st.builds(raw, DATA, TEXTS).map(lambda frame: [frame]),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(BIG, max_size=4).map(lambda lists: [*chain(*lists)]), CUTS)
@example([raw(0x82, b"a" * 100), raw(0x82, b"a" * 101)], [])
@example([raw(0x02, b"a" * 50), raw(0x00, b"a" * 50), raw(0x80, b"")], [])
@example([raw(0x02, b"a" * 50), raw(0x80, b"a" * 51)], [])
@example([raw(0x02, b""), raw(0x00, b""), raw(0x00, b""), raw(0x80, b"")], [])
def test_a_stream_that_breaks_limits_gets_the_same_verdict(
    frames: list[Raw], cuts: list[int]
) -> None:
    data = joined(frames)
    ours, other = judged_by_us(data, cuts, NARROW), judged_by_the_other(data, NARROW)
    if other[-1:] == [("Fault", 1009)] and ours[-1:] == [("Fault", 1002)]:
        other = judged_by_the_other(data, NARROW, size_counts=False)
    assert ours == other


@settings(deadline=None, max_examples=100)
@given(st.lists(FRAMES, max_size=3), DATA, TEXTS, st.sampled_from([126, 127]), CUTS)
@example([], 0x82, b"", 126, [])
@example([], 0x82, b"a" * 126, 127, [])
@example([raw(0x88, b"")], 0x82, b"", 126, [])
def test_a_length_in_a_longer_form_than_it_needs_is_where_a_stream_ends(
    frames: list[Raw], first: int, payload: bytes, form: int, cuts: list[int]
) -> None:
    before = joined(frames)
    if len(payload) > 125:
        form = 127
    expected = judged_by_the_other(before)
    if not is_over(expected):
        expected.append(("Fault", 1002))
    assert judged_by_us(before + Raw(first, payload, True, form).data, cuts) == expected


EDITS = st.lists(
    st.tuples(st.integers(0, 1000), st.integers(0, 4), st.binary(max_size=4)),
    min_size=1,
    max_size=4,
)
VALID = st.one_of(
    st.builds(raw, st.sampled_from([0x81, 0x01, 0x80, 0x89, 0x8A]), REASONS),
    st.builds(raw, st.sampled_from([0x82, 0x02, 0x00, 0x80]), TEXTS),
    SQUEEZED,
    st.just(raw(0x88, b"\x03\xe8bye")),
)


@settings(deadline=None, max_examples=400)
@given(st.lists(VALID, min_size=1, max_size=5), EDITS, st.booleans(), CUTS)
def test_a_stream_with_bytes_put_in_and_taken_out_gets_the_same_verdict(
    frames: list[Raw], edits: list[tuple[int, int, bytes]], deflate: bool, cuts: list[int]
) -> None:
    data = joined(frames)
    for place, drop, insert in edits:
        place %= len(data) + 1
        data = data[:place] + insert + data[place + drop :]
    # The zeros fill up the last frame; the frame behind it isn't masked. So there is a verdict.
    data += bytes(65535 + 14)
    # Up to a length of 8 bytes, which isn't filled up by that, or one that isn't minimal.
    ends = ((place, least) for place, size, least in headers(data) if size == 8 or not least)
    end, minimal = next(ends, (len(data), True))
    other = judged_by_the_other(data[:end], deflate=deflate)
    if not minimal:
        end = len(data)
        other += [] if is_over(other) else [("Fault", 1002)]
    ours = judged_by_us(data[:end], cuts, deflate=deflate)
    if other[-1:] == [("Fault", 1007)] and ours[-1:] == [("Fault", 1002)]:
        other[-1] = ours[-1]  # two faults in one frame, see above
    assert ours == other
