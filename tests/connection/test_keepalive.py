"""Deadlines: peers that are gone, that do not read, and that are only busy."""

from __future__ import annotations

import logging
from typing import Any

import gevent
import pytest
from gevent.event import Event

from fws_gevent.filters.base import WebSocketDisconnectFilter, WebSocketMessageFilter
from tests.clients import PATIENCE, Client, frame
from tests.conftest import Connect, Serve
from tests.waiting import until

seen: list[Any] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    seen.clear()


def _read(client: Client, size: int) -> int:
    """Read `size` bytes from the socket."""
    left = size
    while left > 0:
        left -= len(client.socket.recv(left))
    return size


class Goodbye(WebSocketDisconnectFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        seen.append(tuple(data))


class Fan(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.broadcast(data)


def test_a_peer_that_answers_no_ping_is_given_up(serve: Serve, connect: Connect) -> None:
    server = serve([Goodbye], ping_interval=0.1, ping_timeout=0.1)
    client = connect(server)
    assert client.frame() == (0x89, b"")
    until(lambda: seen)
    assert seen == [(1006, "the peer doesn't answer pings")]
    assert not server.users
    assert len(server.node.wheel) == 1  # the statistics' own


def test_pings_come_at_their_interval_however_long_the_answers_may_take(
    serve: Serve, connect: Connect
) -> None:
    client = connect(serve([Goodbye], ping_interval=0.05, ping_timeout=1000.0))
    for _ in range(3):
        assert client.frame() == (0x89, b"")
        client.raw(frame(10))


def test_a_peer_that_answers_pings_stays(serve: Serve, connect: Connect) -> None:
    client = connect(serve([Goodbye], ping_interval=0.05, ping_timeout=0.05))
    for _ in range(5):
        assert client.frame() == (0x89, b"")
        client.raw(frame(10))
    assert not seen


def test_no_ping_is_sent_without_keep_alive(serve: Serve, connect: Connect) -> None:
    server = serve([Fan], ping_interval=0)
    client, other = connect(server), connect(server)
    assert len(server.node.wheel) == 1  # the statistics' own
    other.send("hello")
    assert client.receive() == "hello"


def test_a_peer_is_not_given_up_while_its_own_filter_works(serve: Serve, connect: Connect) -> None:
    release = Event()

    class Wait(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            release.wait(PATIENCE)
            web_socket_instance.send("done")

    server = serve([Wait, Goodbye], ping_interval=0.04, ping_timeout=0.04)
    client = connect(server)
    client.send("go")
    until(lambda: server.node.reactor.blocked)
    start = server.node.wheel.now
    until(lambda: server.node.wheel.now > start + 20)
    assert not seen
    release.set()
    until(lambda: (got := client.frame()).opcode == 1 and got.payload == b"done")


def test_a_slow_reader_is_closed_and_the_others_lose_no_message(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("fws_gevent").propagate = True
    server = serve([Fan, Goodbye], max_queue=50_000, max_queue_time=0.2, close_timeout=0.2)
    sender = connect(server)
    slow = connect(server, receive_buffer=4096)
    quick = connect(server)
    count = 0
    while not seen:
        sender.send(f"{count:06}" + "x" * 16384)
        text = quick.receive()
        assert isinstance(text, str)
        assert text[:6] == f"{count:06}"
        count += 1
        gevent.sleep(0)
    assert seen == [(1013, "too slow or overloaded")]
    assert "reads too slowly" in caplog.text
    assert len(server.users) == 2
    slow.drop()


def test_a_slow_reader_gets_whole_frames_and_the_close_when_it_reads_again(
    serve: Serve, connect: Connect
) -> None:
    server = serve([Fan], max_queue=50_000, max_queue_time=0.1)
    sender, slow = connect(server), connect(server, receive_buffer=4096)
    (connection,) = (user for user in server.users.values() if user.remote_address[1] == slow.port)
    while connection.open:
        sender.send("x" * 16384)
        gevent.sleep(0)
    while (got := slow.frame()).opcode == 1:
        assert got.payload == b"x" * 16384
    assert got.close[0] == 1013


def test_a_burst_that_is_read_in_time_closes_no_connection(serve: Serve, connect: Connect) -> None:
    server = serve([Fan, Goodbye], max_queue=100_000)
    sender, reader = connect(server), connect(server, receive_buffer=4096)
    for number in range(90):
        sender.send(f"{number:03}" + "x" * 16381)
    for number in range(90):
        text = reader.receive()
        assert isinstance(text, str)
        assert text[:3] == f"{number:03}"
    assert not seen


def test_one_message_over_the_bound_fits_into_an_empty_queue(
    serve: Serve, connect: Connect
) -> None:
    server = serve([Goodbye], max_queue=1000, max_queue_time=0.05)
    client = connect(server, receive_buffer=4096)
    (connection,) = server.users.values()
    connection.send(b"x" * 8_000_000)
    start = server.node.wheel.now
    until(lambda: server.node.wheel.now > start + 20)
    assert client.receive() == b"x" * 8_000_000
    assert not seen


def test_a_flood_to_a_peer_that_never_reads_ends_at_the_hard_bound(
    serve: Serve, connect: Connect
) -> None:
    server = serve(
        [Fan, Goodbye],
        max_queue=10_000,
        max_message_size=60_000,
        max_queue_time=1000,
        close_timeout=0.1,
    )
    sender, _mute = connect(server), connect(server, receive_buffer=4096)
    while not seen:
        sender.send("x" * 60_000)
        gevent.sleep(0)
    assert seen == [(1013, "too slow or overloaded")]


def test_a_peer_that_reads_is_alive(serve: Serve, connect: Connect) -> None:
    server = serve([Goodbye], max_queue=1000, ping_interval=0.4, ping_timeout=0.4)
    client = connect(server)
    (connection,) = server.users.values()
    connection.send(b"x" * 24_000_000)
    left = 23_000_000
    while left > 0:
        before = server.node.wheel.now
        left -= _read(client, min(left, 1_500_000))
        until(lambda before=before: server.node.wheel.now > before)  # type: ignore[misc]
    assert not seen


def test_a_peer_that_stops_reading_for_good_is_given_up(serve: Serve, connect: Connect) -> None:
    server = serve([Goodbye], ping_interval=0.1, ping_timeout=0.1)
    _mute = connect(server, receive_buffer=4096)
    (connection,) = server.users.values()
    connection.send(b"x" * 8_000_000)
    until(lambda: seen)
    assert seen == [(1006, "the peer doesn't answer pings")]


def test_a_peer_that_reads_too_little_does_not_extend_the_deadline_of_a_close(
    serve: Serve, connect: Connect
) -> None:
    server = serve(
        [Fan, Goodbye], max_queue=50_000, max_queue_time=0.1, close_timeout=0.2, ping_interval=100
    )
    sender, slow = connect(server), connect(server, receive_buffer=4096)
    (connection,) = (user for user in server.users.values() if user.remote_address[1] == slow.port)
    while connection.open:
        sender.send("x" * 16384)
        gevent.sleep(0)
    slow.socket.recv(4096)
    until(lambda: seen)
    assert seen == [(1013, "too slow or overloaded")]
