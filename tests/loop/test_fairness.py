"""The loop gets its turn while connections have much work."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import gevent
import pytest

from fws_gevent.filters.base import WebSocketConsumerFilter, WebSocketMessageFilter
from fws_gevent.node.members import CLOSES
from tests.clients import frame
from tests.conftest import Connect, Serve
from tests.waiting import until

handled: list[int] = [0]


class Count(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        handled[0] += 1


class Tell(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        handled[0] += 1
        web_socket_instance.broadcast(data)


class TellOfEvents(WebSocketConsumerFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        handled[0] += 1
        web_socket_instance.broadcast("an event")


class Compress(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        handled[0] += 1
        web_socket_instance.send(b"much that compresses well" * 4000)


@pytest.fixture
def turns() -> Iterator[list[int]]:
    """Return the number of messages that had been handled at each turn of the loop."""
    handled[0] = 0
    seen: list[int] = []

    def look() -> None:
        while True:
            seen.append(handled[0])
            gevent.sleep(0)

    looking = gevent.spawn(look)
    yield seen
    looking.kill()


def longest(turns: list[int]) -> int:
    """Return the most messages that were handled, or bytes written, in one turn."""
    return max(after - before for before, after in pairwise(turns))


def test_a_flood_of_the_smallest_messages(serve: Serve, connect: Connect, turns: list[int]) -> None:
    client = connect(serve([Count]))
    client.raw(frame(1) * 40_000)
    until(lambda: handled[0] == 40_000)
    gevent.sleep(0)
    assert longest(turns) < 4000


def test_large_messages_for_many(serve: Serve, connect: Connect, turns: list[int]) -> None:
    server = serve([Tell])
    publisher, *_members = (connect(server) for _ in range(9))
    publisher.raw(frame(2, bytes(16 * 1024)) * 200)
    until(lambda: handled[0] == 200)
    gevent.sleep(0)
    assert longest(turns) <= 40  # one read has 16 of them


def test_a_flood_of_messages_that_inflate_to_the_limit(
    serve: Serve, connect: Connect, turns: list[int]
) -> None:
    client = connect(serve([Count]), headers=["Sec-WebSocket-Extensions: permessage-deflate"])
    deflater = zlib.compressobj(wbits=-15)
    bomb = deflater.compress(bytes(1 << 20)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    client.raw(frame(2, bomb[:-4], first=0xC0) * 150)
    until(lambda: handled[0] == 150)
    gevent.sleep(0)
    assert longest(turns) <= 4


def test_answers_that_take_long_to_compress(
    serve: Serve, connect: Connect, turns: list[int]
) -> None:
    client = connect(serve([Compress]), headers=["Sec-WebSocket-Extensions: permessage-deflate"])
    client.raw(frame(1) * 100)
    until(lambda: handled[0] == 100)
    gevent.sleep(0)
    assert longest(turns) < 20


def test_messages_to_very_many(serve: Serve, connect: Connect, turns: list[int]) -> None:
    server = serve([Tell])
    publisher, *_members = (connect(server) for _ in range(300))
    publisher.raw(frame(1) * 260)
    until(lambda: handled[0] == 260)
    gevent.sleep(0)
    assert longest(turns) < 256


def test_events_of_the_consumer_chain_that_go_to_very_many(
    serve: Serve, connect: Connect, turns: list[int]
) -> None:
    server = serve([TellOfEvents])
    _members = [connect(server) for _ in range(300)]
    for _ in range(260):
        server.queue.put({"x": 1})
    until(lambda: handled[0] == 260)
    gevent.sleep(0)
    assert longest(turns) < 256


@pytest.mark.parametrize(("size", "members"), [(60_000, 300), (1_000_000, 60)])
def test_a_large_message_leaves_to_many_in_portions(
    serve: Serve, connect: Connect, size: int, members: int
) -> None:
    server = serve([])
    clients = [connect(server) for _ in range(members)]
    until(lambda: len(server.users) == members)
    begun = server.node.reactor.bytes_out
    written = [begun]

    def look() -> None:
        while written[-1] - begun < len(clients) * 50_000:
            gevent.sleep(0)
            written.append(server.node.reactor.bytes_out)

    server.broadcast(b"x" * size)
    assert server.node.reactor.bytes_out == begun
    gevent.spawn(look).get(timeout=20)
    assert longest(written) < 10_000_000


def test_disconnecting_very_many(serve: Serve, connect: Connect) -> None:
    server = serve([], close_timeout=0.1)
    for _ in range(CLOSES * 2 + 1):
        connect(server)
    until(lambda: len(server.users) == CLOSES * 2 + 1)
    users = server.users.values()
    for each in users:
        server.node.join("room", each)
    assert server.node.membership.disconnect_here("room", None, 1000, "") == len(users)
    assert sum(each.ending for each in users) == CLOSES
    until(lambda: server.node.counters.closes == {1000: len(users)})
