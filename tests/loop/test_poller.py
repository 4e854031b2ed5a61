"""Both pollers: edges, re-arming, and a whole server on the one without epoll."""

from __future__ import annotations

import contextlib
import select
import socket
from typing import Any

import gevent
import pytest

from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.loop import reactor
from fws_gevent.loop.poller import READ, WRITE, EpollPoller, Poller, WatcherPoller, make_poller
from tests.conftest import Connect, Serve
from tests.waiting import until

POLLERS = [WatcherPoller, *([EpollPoller] if hasattr(select, "EPOLLET") else [])]


@pytest.fixture(params=POLLERS)
def watched(request: pytest.FixtureRequest) -> Any:
    wakes: list[int] = []
    poller = request.param(gevent.get_hub().loop, lambda: wakes.append(1))
    left, right = socket.socketpair()
    yield poller, left, right, wakes
    poller.close()
    left.close()
    right.close()


def _events(poller: Poller, wakes: list[int], event: int) -> int:
    """Return all events of the descriptor until `event` was among them."""
    got = 0

    def came() -> bool:
        nonlocal got
        for _, mask in poller.poll():
            got |= mask
        return bool(got & event)

    until(came)
    return got


def test_a_readable_descriptor_wakes_once_until_there_is_more(watched: Any) -> None:
    poller, left, right, wakes = watched
    poller.add(left.fileno())
    right.send(b"x")
    until(lambda: wakes)
    assert _events(poller, wakes, READ) & READ
    gevent.sleep(0)
    assert poller.poll() == []
    left.recv(10)
    if poller.rearm is not None:
        poller.rearm(left.fileno(), READ)
    right.send(b"y")
    assert _events(poller, wakes, READ) & READ


def test_a_descriptor_that_is_writable_again_is_reported(watched: Any) -> None:
    poller, left, right, wakes = watched
    poller.add(left.fileno())
    gevent.sleep(0)
    poller.poll()
    left.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            left.send(b"x" * 65536)
    if poller.rearm is not None:
        poller.rearm(left.fileno(), WRITE)
    gevent.sleep(0)
    assert poller.poll() == []
    while len(right.recv(1 << 20)) == 1 << 20:
        pass
    assert _events(poller, wakes, WRITE) & WRITE


def test_a_removed_descriptor_is_not_reported(watched: Any) -> None:
    poller, left, right, _wakes = watched
    poller.add(left.fileno())
    poller.remove(left.fileno())
    right.send(b"x")
    gevent.sleep(0.01)
    assert poller.poll() == []


def test_epoll_is_chosen_on_linux() -> None:
    poller = make_poller(gevent.get_hub().loop, lambda: None)
    assert isinstance(poller, POLLERS[-1])
    poller.close()


def test_a_node_works_with_either_poller(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Echo(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            gevent.sleep(0)
            web_socket_instance.send(data)

    for kind in POLLERS:
        monkeypatch.setattr(reactor, "make_poller", kind)
        server = serve([Echo], max_queue=100_000)
        client = connect(server, receive_buffer=4096)
        for number in range(20):
            client.send(f"{number}" * 1000)
        assert [client.receive() for _ in range(20)] == [f"{n}" * 1000 for n in range(20)]
        client.send(b"x" * 1_000_000)
        assert client.receive() == b"x" * 1_000_000
        client.drop()
        until(lambda server=server: not server.live)  # type: ignore[misc]
