"""Background tasks go on after exceptions, and report them."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event

from fws_gevent.loop import supervision
from fws_gevent.loop.supervision import Failures, Loop

from ..clocks import ManualClock
from ..waiting import until

LINE = "background task work failed; going on"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "PAUSE", 0.001)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Return the messages that are logged."""
    found: list[str] = []

    class Note(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert record.exc_info
            found.append(record.getMessage())

    handler, log = Note(), logging.getLogger("fws_gevent.engine")
    log.addHandler(handler)
    yield found
    log.removeHandler(handler)


def test_all_failures_count_and_one_of_each_kind_is_logged(
    clock: ManualClock, lines: list[str]
) -> None:
    failures = Failures("work", clock)
    for error in ([ValueError("a")] * 5) + [ValueError("b"), KeyError("b")]:
        failures.add(error)
    assert failures.count == 7
    assert lines == [LINE] * 3
    clock.advance(supervision.ROW)
    failures.add(KeyError("b"))
    assert lines == [LINE] * 4


def test_a_task_is_failing_from_the_third_failure_in_a_row(clock: ManualClock) -> None:
    failures = Failures("work", clock)
    for expected in (False, False, True, True):
        failures.add(ValueError())
        assert failures.failing is expected
        clock.advance(supervision.ROW - 1)
    clock.advance(1)
    assert not failures.failing
    failures.add(ValueError())
    assert not failures.failing


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize(
    "error", [ValueError("x"), RecursionError(), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "x"),
              gevent.Timeout(1)],
)  # fmt: skip
def test_a_task_goes_on_after_each_exception(error: BaseException, lines: list[str]) -> None:
    runs: list[int] = []
    end = Event()

    def body() -> None:
        runs.append(len(runs))
        if len(runs) < 4:
            raise error
        end.wait()

    loop = Loop("work", body)
    loop.start()
    until(lambda: len(runs) == 4)
    assert loop.failing  # three in a row, just now
    assert loop.count == 3
    assert lines == [LINE]
    end.set()
    assert loop.join(20)


def test_a_task_that_returned_has_not_failed() -> None:
    loop = Loop("work", lambda: None)
    assert not loop.failing
    assert loop.join(0)  # it was never started
    loop.start()
    assert loop.join(20)
    assert not loop.failing


def test_a_task_that_was_killed_is_failing() -> None:
    loop = Loop("work", lambda: gevent.sleep(60))
    loop.start()
    gevent.sleep(0)
    assert not loop.failing
    assert loop._greenlet is not None
    loop._greenlet.kill()
    assert loop.failing


@pytest.mark.usefixtures("_at_once")
def test_a_task_that_was_told_to_end_does_not_run_again() -> None:
    runs: list[int] = []
    end = Event()

    def body() -> None:
        runs.append(1)
        end.wait()
        raise ValueError

    loop = Loop("work", body)
    loop.start()
    assert not loop.join(0)
    end.set()
    assert loop.join(20)
    assert runs == [1]
    assert not loop.failing
