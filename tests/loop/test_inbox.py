"""An inbox: order, bounds, and calls that wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from gevent.event import Event

from fws_gevent.loop import inbox as inbox_module
from fws_gevent.loop.inbox import Inbox
from fws_gevent.loop.reactor import Reactor
from tests.clients import PATIENCE
from tests.waiting import until


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    reactor = Reactor(max_runners=3)
    reactor.start()
    yield reactor
    reactor.stop()


def test_calls_are_made_in_order_one_at_a_time_in_a_runner(reactor: Reactor) -> None:
    inbox = Inbox(reactor)
    done: list[Any] = []
    for number in range(1000):
        assert inbox.put(done.append, number)
    assert done == []
    assert len(inbox) == 1000
    until(lambda: not inbox)
    assert done == list(range(1000))
    assert not inbox.busy


def test_a_call_that_waits_holds_up_its_inbox_alone(reactor: Reactor) -> None:
    first, second = Inbox(reactor), Inbox(reactor)
    done: list[Any] = []
    release = Event()
    first.put(release.wait, PATIENCE)
    first.put(done.append, "first")
    second.put(done.append, "second")
    until(lambda: done)
    assert done == ["second"]
    assert len(first) == 2, "the present call is among them"
    first.put(done.append, "later")
    release.set()
    until(lambda: not first)
    assert done == ["second", "first", "later"]


def test_a_call_that_raises_is_dropped_and_the_others_are_made(
    reactor: Reactor, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox(reactor)
    done: list[Any] = []

    def fail() -> None:
        raise ValueError("broken")

    inbox.put(done.append, 1)
    inbox.put(fail, size=5)
    inbox.put(done.append, 2, size=3)
    until(lambda: not inbox)
    assert done == [1, 2]
    assert inbox._size == 0
    assert "broken" in caplog.text


@pytest.mark.parametrize("bound", ["INBOX_LENGTH", "INBOX_SIZE"])
def test_a_call_without_room_is_refused_unless_it_is_the_last(
    reactor: Reactor, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(inbox_module, bound, 2)
    inbox = Inbox(reactor)
    done: list[Any] = []
    assert inbox.put(done.append, 1, size=1)
    assert inbox.put(done.append, 2, size=1)
    assert not inbox.put(done.append, 3, size=1)
    assert inbox.put(done.append, 4, size=1, last=True)
    until(lambda: not inbox)
    assert done == [1, 2, 4]
    assert inbox.put(done.append, 5, size=2), "there is room again"
    until(lambda: len(done) == 4)


def test_calls_from_before_the_start_are_done_with_the_next_one(reactor: Reactor) -> None:
    early = Reactor(max_runners=1)
    inbox = Inbox(early)
    done: list[Any] = []
    inbox.put(done.append, 1)
    early.start()
    inbox.put(done.append, 2)
    until(lambda: len(done) == 2)
    assert done == [1, 2]
    early.stop()


def test_a_call_may_put_another(reactor: Reactor) -> None:
    inbox = Inbox(reactor)
    done: list[Any] = []
    inbox.put(lambda: inbox.put(done.append, "again"))
    until(lambda: done)
    until(lambda: not inbox)
