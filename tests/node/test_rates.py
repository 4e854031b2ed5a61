"""Token buckets: who took his share waits, and no longer than it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fws_gevent.node import rates
from fws_gevent.node.rates import Bucket, Buckets, per_minute, retry_after


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    standing = Clock()
    monkeypatch.setattr(rates, "monotonic", standing)
    return standing


def waits(buckets: Buckets, key: str, count: int) -> list[float]:
    return [buckets.wait(key) for _ in range(count)]


def test_as_many_at_once_as_in_a_minute_then_one_at_a_time(clock: Clock) -> None:
    buckets = per_minute(6)
    assert waits(buckets, "a", 8) == [0] * 6 + [10, 10]
    clock.now += 4
    assert buckets.wait("a") == pytest.approx(6)
    clock.now += 6
    assert waits(buckets, "a", 2) == [0, pytest.approx(10)]


def test_to_be_refused_costs_nothing(clock: Clock) -> None:
    buckets = Buckets(rate=1, burst=60)
    waits(buckets, "a", 100)
    clock.now += 1
    assert buckets.wait("a") == 0


def test_who_was_silent_for_long_has_no_more_than_a_burst(clock: Clock) -> None:
    buckets = Buckets(rate=3, burst=2)
    buckets.wait("a")
    clock.now += 86400
    assert waits(buckets, "a", 3) == [0, 0, pytest.approx(1 / 3)]


def test_each_key_is_counted_alone(clock: Clock) -> None:
    buckets = per_minute(1)
    assert waits(buckets, "a", 1) == waits(buckets, "b", 1) == [0]
    assert buckets.wait("a") == 60


def test_the_rate_zero_is_no_bound(clock: Clock) -> None:
    assert set(waits(per_minute(0), "a", 1000)) == {0}


def test_who_came_longest_ago_is_forgotten_first(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "REMEMBERED", 2)
    buckets = per_minute(1)
    for each in "abac":  # forgets b
        buckets.wait(each)
    assert buckets.wait("a") > 0
    assert buckets.wait("b") == 0


def test_what_is_more_than_a_bucket_holds_is_owed_by_a_full_one(clock: Clock) -> None:
    bucket = Bucket(rate=10, burst=100)
    assert bucket.wait(1000) == 0
    assert bucket.wait(1) == pytest.approx(90.1)
    clock.now += 91
    assert bucket.wait(1) == 0
    assert bucket.wait(1000) == pytest.approx(9.1)  # not before it is full again


@given(st.integers(1, 600), st.lists(st.floats(0, 30), max_size=50))
def test_after_the_seconds_that_it_said_it_gives(rate: int, pauses: list[float]) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rates, "monotonic", clock)
        buckets = per_minute(rate)
        for pause in pauses:
            clock.now += pause
            wait = buckets.wait("a")
            if wait:
                clock.now += retry_after(wait)
                assert buckets.wait("a") == 0


def test_a_header_says_whole_seconds_and_one_at_least() -> None:
    assert [retry_after(each) for each in (0.001, 1.0, 1.2, 60)] == [1, 1, 2, 60]


def test_to_peek_takes_nothing(clock: Clock) -> None:
    buckets = per_minute(2)
    for _ in range(5):
        assert buckets.peek("a") == 0
    buckets.wait("a")
    buckets.wait("a")
    assert buckets.peek("a") == buckets.wait("a") == pytest.approx(30)
    assert buckets.peek("b") == 0
    clock.now += 30
    assert buckets.peek("a") == 0
    assert per_minute(0).peek("a") == 0
