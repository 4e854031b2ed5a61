"""Calls from other threads into the loop: their place, their order and their bounds."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent.event import Event

from fws_gevent.errors import NotServing
from fws_gevent.filters.base import WebSocketConsumerFilter
from fws_gevent.loop import calls
from fws_gevent.loop.calls import Calls
from tests.clients import PATIENCE
from tests.conftest import Serve
from tests.native_threads import in_thread
from tests.waiting import until


def test_a_put_from_a_thread_returns_when_it_is_in_the_queue(serve: Serve) -> None:
    seen: list[Any] = []

    class Note(WebSocketConsumerFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            seen.append(data)

    server = serve([Note])

    def put() -> None:
        for number in range(50):
            server.queue.put(number)

    in_thread(put)
    until(lambda: len(seen) == 50)
    assert seen == list(range(50))


def test_a_call_before_the_start_is_refused() -> None:
    ways = Calls()
    for call in (ways.call_here, ways.run_here):
        with pytest.raises(NotServing):
            call(print)


def test_a_thread_that_waits_for_the_loop_is_released_when_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "_LOOK", 0.01)
    ways, never = Calls(), Event()
    ways.take_calls(gevent.get_hub().loop)
    gevent.spawn_later(0.05, ways.refuse_calls)
    with pytest.raises(NotServing):
        in_thread(ways.run_here, never.wait, PATIENCE)
    never.set()


def test_a_caller_waits_while_too_many_calls_are_on_the_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "LENGTH", 3)
    ways = Calls()
    done: list[int] = []
    ways.take_calls(gevent.get_hub().loop)
    most: list[int] = []

    def put() -> None:
        for number in range(100):
            ways.call_here(done.append, number)
            most.append(ways._count)

    in_thread(put)
    until(lambda: len(done) == 100)
    assert done == list(range(100))
    assert max(most) <= 4
