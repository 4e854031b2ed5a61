"""Connections are closed evenly, within the time that there is."""

from __future__ import annotations

import gevent
import pytest

from fws_gevent.errors import CloseCode
from fws_gevent.node import shutdown
from fws_gevent.node.shutdown import close_evenly, spread_of
from tests.clients import PATIENCE
from tests.clocks import ManualClock
from tests.conftest import Connect, Serve
from tests.waiting import until


class Fake:
    """A connection that notes when it was closed, by a clock of the test."""

    def __init__(self, clock: ManualClock, *, ending: bool = False) -> None:
        self.clock = clock
        self.ending = ending
        self.closed: list[tuple[float, int, str]] = []

    def close(self, code: int, reason: str) -> None:
        self.ending = True
        self.closed.append((round(self.clock.now, 6), code, reason))

    def give_up(self, code: CloseCode, reason: str) -> None:
        raise AssertionError


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    clock = ManualClock(100.0)
    monkeypatch.setattr(gevent, "sleep", clock.sleep)
    return clock


@pytest.mark.parametrize(
    ("count", "close_spread", "grace", "seconds"),
    [
        (0, 5.0, 30.0, 0.0),
        (5, 5.0, 30.0, 0.01),  # few: at once
        (1000, 5.0, 30.0, 2.0),  # 500 a second
        (50_000, 5.0, 30.0, 5.0),  # many: over the whole spread
        (50_000, 20.0, 30.0, 15.0),  # but half of the grace is for the last ones
        (1000, 0.0, 30.0, 0.0),
    ],
)
def test_the_spread_is_bounded(
    count: int, close_spread: float, grace: float, seconds: float
) -> None:
    assert spread_of(count, close_spread, grace) == seconds


def test_they_are_closed_evenly_and_in_order(clock: ManualClock) -> None:
    some = [Fake(clock) for _ in range(4)]
    close_evenly(some, 2.0, CloseCode.GOING_AWAY, clock)
    assert [each.closed for each in some] == [
        [(100.0 + delay, 1001, CloseCode.GOING_AWAY.meaning)] for delay in (0.0, 0.5, 1.0, 1.5)
    ]


def test_few_are_closed_without_waiting(clock: ManualClock) -> None:
    some = [Fake(clock) for _ in range(4)]
    close_evenly(some, 0.008, CloseCode.GOING_AWAY, clock)
    assert all(each.closed == [(100.0, 1001, CloseCode.GOING_AWAY.meaning)] for each in some)


def test_connections_that_have_ended_take_no_time(clock: ManualClock) -> None:
    some = [Fake(clock), *(Fake(clock, ending=True) for _ in range(99))]
    close_evenly(some, 5.0, CloseCode.GOING_AWAY, clock)
    assert clock.now == 100.0
    assert [len(each.closed) for each in some] == [1] + [0] * 99


# A server that drains.


def test_a_drain_is_spread_over_its_time(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutdown, "CLOSES_PER_SECOND", 40)
    server = serve(auth="optional", close_timeout=5.0)
    clients = [connect(server) for _ in range(20)]
    until(lambda: len(server.users) == 20)
    order = [each.remote_address[1] for each in server.users.values()]
    clients.sort(key=lambda client: order.index(client.port))
    stopping = gevent.spawn(server.stop, PATIENCE)
    assert clients[0].frame().close == (1001, "the server is shutting down")
    assert not all(each.ending for each in server.users.values())
    clients[-1].drop()  # one that ends by itself takes no time
    for client in clients[1:-1]:
        assert client.frame().close[0] == 1001
    for client in clients[:-1]:
        client.close(1001)
    stopping.join(PATIENCE)
    assert server.node.counters.closes == {1001: 19, 1006: 1}


def test_without_a_spread_all_are_closed_at_once(serve: Serve, connect: Connect) -> None:
    server = serve(close_spread=0.0)
    clients = [connect(server) for _ in range(20)]
    until(lambda: len(server.users) == 20)
    stopping = gevent.spawn(server.stop, PATIENCE)
    until(lambda: server.node.draining)
    assert all(each.ending for each in server.users.values())
    for client in clients:
        assert client.frame().close[0] == 1001
        client.close(1001)
    stopping.join(PATIENCE)
    assert server.live == 0
