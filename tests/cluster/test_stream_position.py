"""A position in a stream: entries are seen once and in order, and each hole is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fws_gevent.cluster.stream_position import StreamCursor, StreamPosition, Verdict
from fws_gevent.redis_io.entries import Entry


def entry(number: int, after: int, epoch: bytes = b"e") -> Entry:
    return Entry((number, 0), (after, 0), epoch, b"n%d" % number, b"text", "", b"")


def cursor(number: int) -> StreamCursor:
    """One who has seen the entry with a number."""
    made = StreamCursor()
    made.position = StreamPosition((number, 0), b"n%d" % number, b"e")
    return made


def test_before_the_beginning_is_known_everything_is_a_hole() -> None:
    beginner = StreamCursor()
    assert beginner.offer(entry(1, 0)) is Verdict.HOLE
    assert beginner.position is None


def test_the_next_entry_becomes_the_last_seen() -> None:
    reader = cursor(5)
    assert reader.offer(entry(8, 5)) is Verdict.NEXT
    assert reader.position == StreamPosition((8, 0), b"n8", b"e")
    assert reader.offer(entry(9, 8)) is Verdict.NEXT


@pytest.mark.parametrize("number", [5, 4, 1])
def test_an_entry_from_before_was_seen(number: int) -> None:
    reader = cursor(5)
    assert reader.offer(entry(number, number - 1)) is Verdict.SEEN
    assert reader.position == StreamPosition((5, 0), b"n5", b"e")


def test_an_entry_after_one_that_is_missing_is_a_hole_and_is_not_seen() -> None:
    reader = cursor(5)
    assert reader.offer(entry(8, 7)) is Verdict.HOLE
    assert reader.position == StreamPosition((5, 0), b"n5", b"e")
    assert reader.offer(entry(7, 5)) is Verdict.NEXT
    assert reader.offer(entry(8, 7)) is Verdict.NEXT


@pytest.mark.parametrize(("number", "after"), [(8, 5), (5, 4), (1, 0)])
def test_an_entry_of_another_epoch_is_a_hole_with_any_id(number: int, after: int) -> None:
    """The stream began anew: ids say nothing about what was seen."""
    reader = cursor(5)
    assert reader.offer(entry(number, after, b"another")) is Verdict.HOLE
    assert reader.position == StreamPosition((5, 0), b"n5", b"e")


@settings(deadline=None)
@given(st.lists(st.integers(1, 12), max_size=40))
def test_entries_in_any_order_are_taken_without_holes_and_duplicates(
    order: list[int],
) -> None:
    reader = cursor(0)
    taken = [each for each in order if reader.offer(entry(each, each - 1)) is Verdict.NEXT]
    assert taken == list(range(1, len(taken) + 1))


@pytest.mark.parametrize("epoch", [b"e", b"other"])
@pytest.mark.parametrize(("number", "after"), [(6, 5), (8, 5), (8, 7), (5, 4), (3, 2), (6, 7)])
def test_a_hole_is_known_without_moving_on(number: int, after: int, epoch: bytes) -> None:
    reader = cursor(5)
    offered = entry(number, after, epoch)
    before = reader.position
    hole = reader.is_hole(offered)
    assert reader.is_foreign(offered) is (epoch == b"other")
    assert reader.position == before
    assert hole is (reader.offer(offered) is Verdict.HOLE)
