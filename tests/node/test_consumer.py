"""The consumer queue: order, bounds, and puts from anywhere."""

from __future__ import annotations

import threading
from typing import Any

import gevent
import pytest
from gevent.monkey import get_original
from gevent.queue import Full

from fws_gevent.filters.base import WebSocketConsumerFilter
from fws_gevent.node import consumer
from fws_gevent.node.node import Node
from fws_gevent.settings import Settings
from tests.conftest import Serve
from tests.waiting import until

seen: list[Any] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    seen.clear()


class Note(WebSocketConsumerFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        if data == "fail":
            raise ValueError(data)
        gevent.sleep(0)
        seen.append((web_socket_instance, data))


def test_the_chain_gets_events_in_order_with_the_node(serve: Serve) -> None:
    server = serve([Note])
    for number in range(1000):
        server.queue.put(number)
    until(lambda: len(seen) == 1000)
    assert seen == [(server.node, number) for number in range(1000)]


def test_an_event_before_the_start_is_not_lost() -> None:
    node = Node(Settings(), filters=[Note])
    node.queue.put("early")
    node.start()
    until(lambda: seen)
    node.stop()


def test_a_filter_that_raises_harms_no_later_event(serve: Serve) -> None:
    server = serve([Note])
    for data in ("fail", "good"):
        server.queue.put(data)
    until(lambda: seen)
    assert seen == [(server.node, "good")]


def test_another_thread_may_put(serve: Serve) -> None:
    server = serve([Note])
    start_new_thread = get_original("_thread", "start_new_thread")
    start_new_thread(server.queue.put, ("from a thread",))
    until(lambda: seen)
    assert seen == [(server.node, "from a thread")]
    assert threading.active_count() >= 1


def test_put_waits_for_room_in_a_full_queue_until_its_timeout() -> None:
    node = Node(Settings(), filters=[Note])
    for number in range(consumer.QUEUE_SIZE):
        node.queue.put(number)
    with pytest.raises(Full):
        node.queue.put("one more", timeout=0.01)
