"""Token buckets: an empty one returns a wait, after which it has a token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fws_gevent.node import rates
from fws_gevent.node.rates import Bucket, Buckets, per_minute, retry_after

from ..clocks import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def waits(buckets: Buckets, key: str, count: int) -> list[float]:
    return [buckets.wait(key) for _ in range(count)]


def test_as_many_at_once_as_in_a_minute_then_one_at_a_time(clock: ManualClock) -> None:
    buckets = per_minute(6, clock)
    assert waits(buckets, "a", 8) == [0] * 6 + [10, 10]
    clock.advance(4)
    assert buckets.wait("a") == pytest.approx(6)
    clock.advance(6)
    assert waits(buckets, "a", 2) == [0, pytest.approx(10)]


def test_a_refusal_takes_no_tokens(clock: ManualClock) -> None:
    buckets = Buckets(rate=1, burst=60, clock=clock)
    waits(buckets, "a", 100)
    clock.advance(1)
    assert buckets.wait("a") == 0


def test_a_bucket_never_holds_more_than_a_burst(clock: ManualClock) -> None:
    buckets = Buckets(rate=3, burst=2, clock=clock)
    buckets.wait("a")
    clock.advance(86400)
    assert waits(buckets, "a", 3) == [0, 0, pytest.approx(1 / 3)]


def test_each_key_is_counted_alone(clock: ManualClock) -> None:
    buckets = per_minute(1, clock)
    assert waits(buckets, "a", 1) == waits(buckets, "b", 1) == [0]
    assert buckets.wait("a") == 60


def test_a_rate_of_zero_is_unlimited(clock: ManualClock) -> None:
    assert set(waits(per_minute(0, clock), "a", 1000)) == {0}


def test_the_least_recently_used_key_is_dropped_first(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "REMEMBERED", 2)
    buckets = per_minute(1, clock)
    for each in "abac":  # forgets b
        buckets.wait(each)
    assert buckets.wait("a") > 0
    assert buckets.wait("b") == 0


def test_a_full_bucket_owes_the_tokens_that_it_never_holds(clock: ManualClock) -> None:
    bucket = Bucket(rate=10, burst=100, clock=clock)
    assert bucket.wait(1000) == 0
    assert bucket.wait(1) == pytest.approx(90.1)
    clock.advance(91)
    assert bucket.wait(1) == 0
    assert bucket.wait(1000) == pytest.approx(9.1)  # not before it is full again


@given(st.integers(1, 600), st.lists(st.floats(0, 30), max_size=50))
def test_after_the_wait_that_it_returned_it_gives_a_token(rate: int, pauses: list[float]) -> None:
    clock = ManualClock()
    buckets = per_minute(rate, clock)
    for pause in pauses:
        clock.advance(pause)
        wait = buckets.wait("a")
        if wait:
            clock.advance(retry_after(wait))
            assert buckets.wait("a") == 0


def test_a_header_has_whole_seconds_and_one_at_least() -> None:
    assert [retry_after(each) for each in (0.001, 1.0, 1.2, 60)] == [1, 1, 2, 60]


def test_peeking_takes_no_tokens(clock: ManualClock) -> None:
    buckets = per_minute(2, clock)
    for _ in range(5):
        assert buckets.peek("a") == 0
    buckets.wait("a")
    buckets.wait("a")
    assert buckets.peek("a") == buckets.wait("a") == pytest.approx(30)
    assert buckets.peek("b") == 0
    clock.advance(30)
    assert buckets.peek("a") == 0
    assert per_minute(0, clock).peek("a") == 0
