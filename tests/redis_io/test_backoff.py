"""Pauses that grow with each failure up to a bound, with jitter."""

from __future__ import annotations

from fws_gevent.redis_io.backoff import FIRST, LONGEST, Backoff

MANY = 100


def test_it_doubles_from_the_first_to_the_longest_and_never_gives_up() -> None:
    backoff, bound = Backoff(), FIRST
    for _ in range(MANY):
        assert bound / 2 <= backoff.seconds() <= bound
        bound = min(LONGEST, 2 * bound)
    assert bound == LONGEST


def test_the_first_is_fifty_milliseconds_at_most() -> None:
    assert max(Backoff().seconds() for _ in range(MANY)) <= 0.05


def test_after_a_success_it_begins_anew() -> None:
    backoff = Backoff()
    for _ in range(MANY):
        backoff.seconds()
    backoff.reset()
    assert backoff.seconds() <= FIRST


def test_two_that_failed_together_come_back_at_different_moments() -> None:
    assert len({Backoff().seconds() for _ in range(MANY)}) > MANY / 2
