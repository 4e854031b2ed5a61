"""However much one connection has to say, the loop gets its turn in between."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import gevent
import pytest

from fws_gevent.filters.base import WebSocketMessageFilter
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


@pytest.fixture
def turns() -> Iterator[list[int]]:
    """How many messages had been handled at each turn of the loop."""
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
    """The most messages that were handled in one turn."""
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
    assert longest(turns) <= 40  # what is read at once is 16 of them


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
