"""Deadlines on one timer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fws_gevent.loop.wheel import FINEST, SLICE, Wheel, resolution_for
from fws_gevent.settings import Settings


def _at_once(function: Callable[[], None]) -> None:
    function()


class Item:
    """An item with a deadline, which records the ticks at which that came."""

    def __init__(self, wheel: Wheel, then: Callable[[], None] | None = None) -> None:
        self.due = 0
        self.told: list[int] = []
        self.wheel = wheel
        self.then = then

    def on_due(self) -> None:
        self.told.append(self.wheel.now)
        if self.then is not None:
            self.then()


@pytest.fixture
def wheel() -> Wheel:
    return Wheel(0.5, _at_once)


def turn(wheel: Wheel, ticks: int) -> None:
    for _ in range(ticks):
        wheel.tick()


@pytest.mark.parametrize("ticks", [1, 2, 7, 1000])
def test_a_deadline_comes_once_at_its_tick(wheel: Wheel, ticks: int) -> None:
    item, start = Item(wheel), wheel.now
    wheel.schedule(item, ticks)
    assert item.due == start + ticks
    turn(wheel, ticks - 1)
    assert item.told == []
    turn(wheel, 1)
    assert item.told == [start + ticks]
    assert item.due == 0
    turn(wheel, 2000)
    assert len(item.told) == 1


def test_a_deadline_that_raises_leaves_the_others_alone(wheel: Wheel) -> None:
    left = [ValueError("as told")] * 5

    def fail() -> None:
        if left:
            raise left.pop()

    items = [Item(wheel, fail if number % 2 else None) for number in range(10)]
    for item in items:
        wheel.schedule(item, 3)
    start = wheel.now
    turn(wheel, 20)
    assert [item.told for item in items[::2]] == [[start + 3]] * 5
    # A deadline that raised comes again until it succeeds.
    assert [item.told for item in items[1::2]] == [[start + 3, start + 5]] * 5
    assert wheel.failures.count == 5


def test_a_new_deadline_replaces_the_old_one(wheel: Wheel) -> None:
    later, earlier = Item(wheel), Item(wheel)
    for item, first, then in ((later, 2, 5), (earlier, 5, 2)):
        wheel.schedule(item, first)
        wheel.schedule(item, then)
    assert len(wheel) == 2
    start = wheel.now
    turn(wheel, 10)
    assert (later.told, earlier.told) == ([start + 5], [start + 2])


def test_a_cancelled_deadline_does_not_come(wheel: Wheel) -> None:
    item, other = Item(wheel), Item(wheel)
    wheel.schedule(item, 2)
    wheel.schedule(other, 2)
    wheel.cancel(item)
    assert item.due == 0
    assert len(wheel) == 1
    turn(wheel, 5)
    assert item.told == []
    assert len(other.told) == 1


def test_an_item_without_a_deadline_may_be_cancelled(wheel: Wheel) -> None:
    item = Item(wheel)
    wheel.cancel(item)
    wheel.schedule(item, 1)
    turn(wheel, 1)
    wheel.cancel(item)
    assert item.due == 0
    assert len(wheel) == 0


def test_an_item_may_set_its_next_deadline_at_the_present_one(wheel: Wheel) -> None:
    item = Item(wheel)
    item.then = lambda: wheel.schedule(item, 3)
    start = wheel.now
    wheel.schedule(item, 1)
    turn(wheel, 7)
    assert item.told == [start + 1, start + 4, start + 7]
    assert len(wheel) == 1


def test_one_deadline_comes_of_two_that_cancel_each_other_at_one_tick(wheel: Wheel) -> None:
    one, other = Item(wheel), Item(wheel)
    one.then = lambda: wheel.cancel(other)
    other.then = lambda: wheel.cancel(one)
    wheel.schedule(one, 1)
    wheel.schedule(other, 1)
    turn(wheel, 3)
    assert len(one.told + other.told) == 1


def test_one_deadline_comes_and_one_is_postponed_of_two_that_postpone_each_other(
    wheel: Wheel,
) -> None:
    one, other = Item(wheel), Item(wheel)
    one.then = lambda: wheel.schedule(other, 2)
    other.then = lambda: wheel.schedule(one, 2)
    wheel.schedule(one, 1)
    wheel.schedule(other, 1)
    start = wheel.now
    turn(wheel, 1)
    assert len(one.told + other.told) == 1
    assert sorted((one.due, other.due)) == [0, start + 3]
    assert len(wheel) == 1


@pytest.mark.parametrize(
    ("resolution", "seconds", "ticks"),
    [
        (0.5, 0, 1),
        (0.5, 0.1, 1),
        (0.5, 0.5, 1),
        (0.5, 0.6, 2),
        (0.5, 20, 40),
        (0.25, 0.75, 3),
        (1, 20, 20),
        (1, 20.001, 21),
        (3, 10, 4),
    ],
)
def test_seconds_are_rounded_up_to_ticks(resolution: float, seconds: float, ticks: int) -> None:
    result = Wheel(resolution, _at_once).ticks(seconds)
    assert result == ticks
    assert type(result) is int


def test_a_timer_may_call_tick_with_arguments_of_its_own(wheel: Wheel) -> None:
    item, start = Item(wheel), wheel.now
    wheel.schedule(item, 1)
    wheel.tick("watcher", 1)
    assert item.told == [start + 1]


def test_many_deadlines_at_one_tick_come_in_portions() -> None:
    asked: list[Callable[[], None]] = []
    wheel = Wheel(1, asked.append)
    items = [Item(wheel) for _ in range(2 * SLICE + 1)]
    for item in items:
        wheel.schedule(item, 1)
    wheel.tick()
    assert sum(len(item.told) for item in items) == SLICE
    assert len(wheel) == SLICE + 1
    left = [item for item in items if not item.told]
    wheel.cancel(left[0])
    wheel.schedule(left[1], 2)
    wheel.tick()  # a tick before they had their turn
    assert len(asked) == 1
    while asked:
        asked.pop()()
    assert [item.told for item in left[:2]] == [[], []]
    assert all(len(item.told) == 1 for item in items if item not in left[:2])
    wheel.tick()
    assert left[1].told == [wheel.now]
    assert len(wheel) == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6), st.integers(0, 3)), max_size=40))
def test_each_item_gets_its_last_deadline_after_any_sequence_of_calls(
    steps: list[tuple[int, int, int]],
) -> None:
    wheel = Wheel(1, _at_once)
    items = [Item(wheel) for _ in range(4)]
    due: dict[int, int] = {}
    expected: list[list[int]] = [[] for _ in items]
    for number, ticks, passing in [*steps, (0, 0, 7)]:
        if ticks:
            wheel.schedule(items[number], ticks)
            due[number] = wheel.now + ticks
        else:
            wheel.cancel(items[number])
            due.pop(number, None)
        assert len(wheel) == len(due)
        turn(wheel, passing)
        for each, tick in [pair for pair in due.items() if pair[1] <= wheel.now]:
            expected[each].append(tick)
            del due[each]
        assert [item.told for item in items] == expected


TIMES = ("ping_interval", "ping_timeout", "close_timeout", "max_queue_time")


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({}, 1.0),
        (dict.fromkeys(TIMES, 0.0), 1.0),
        ({**dict.fromkeys(TIMES, 0.0), "close_timeout": 2.0}, 0.5),
        ({"max_queue_time": 0.1}, 0.025),
        ({"ping_interval": 1e-9}, FINEST),
    ],
)
def test_a_tick_is_short_enough_for_the_shortest_time_out(
    given: dict[str, float], seconds: float
) -> None:
    assert resolution_for(Settings(**given)) == seconds  # type: ignore[arg-type]
