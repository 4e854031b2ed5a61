"""A node, as filters and applications see it."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent.event import Event

from fws_gevent import signals
from fws_gevent.filters.base import (
    WebSocketDisconnectFilter,
    WebSocketMessageFilter,
)
from fws_gevent.node.node import Node
from fws_gevent.settings import Settings
from tests.clients import PATIENCE, frame
from tests.conftest import Connect, Serve
from tests.waiting import until


class Echo(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.send(data)


class Shout(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.send(data.text.upper())


def test_two_servers_in_one_process_share_nothing(serve: Serve, connect: Connect) -> None:
    echo, shout = serve([Echo]), serve([Shout])
    one, two = connect(echo), connect(shout)
    for client in (one, two):
        client.send("hello")
    assert (one.receive(), two.receive()) == ("hello", "HELLO")
    assert not set(echo.users) & set(shout.users)
    assert echo.storage_object is not shout.storage_object


def test_chains_subscribe_once_and_leave_when_the_server_stops(serve: Serve) -> None:
    server = serve([Echo])
    heard = list(signals.message_received.receivers_for(server.node))
    assert heard == [server.node.events.chains["message"].receive]
    server.stop()
    assert not list(signals.message_received.receivers_for(server.node))


def test_an_event_without_subscribers_has_no_function_to_call(serve: Serve) -> None:
    server = serve([Echo])
    assert server.node.message_route.emit == server.node.events.chains["message"].receive
    assert server.node.data_route.emit is None
    assert server.node.events.connect_route.emit is None


def test_every_event_is_on_its_bus(serve: Serve, connect: Connect) -> None:
    heard: list[tuple[str, Any]] = []

    def listen(name: str) -> Any:
        def receiver(sender: Any, web_socket_instance: Any, data: Any) -> None:
            assert sender is server.node
            heard.append((name, data))

        return receiver

    server = serve()
    receivers = {bus: listen(bus.name) for bus in (
        signals.client_connected, signals.data_received, signals.message_received,
        signals.client_disconnected, signals.consumer_received,
    )}  # fmt: skip
    for bus, receiver in receivers.items():
        bus.connect(receiver, sender=server)
    client = connect(server, "/path")
    client.send("hello")
    client.close(1000, "bye")
    until(lambda: not server.live)
    server.queue.put({"type": "message", "channel": "global", "data": "news"})
    until(lambda: len(heard) == 6)
    names = [name for name, _ in heard]
    assert names[0] == "client_connected"
    assert heard[0][1]["PATH_INFO"] == "/path"
    assert names[1] == "data_received"
    assert ("message_received", "hello") in heard
    assert heard[-2] == ("client_disconnected", (1000, "bye"))
    assert heard[-1][1]["data"] == "news"


def test_draining_sends_pending_messages_and_then_1001(serve: Serve, connect: Connect) -> None:
    server = serve()
    clients = [connect(server) for _ in range(20)]
    server.broadcast("last words")
    stopping = gevent.spawn(server.stop, 5)
    for client in clients:
        assert client.receive() == "last words"
        assert client.frame().close == (1001, "the server is shutting down")
        client.close(1001)
    stopping.join(PATIENCE)
    assert server.live == 0
    assert server.node.counters.closes == {1001: 20}


def test_draining_waits_for_disconnect_filters(serve: Serve, connect: Connect) -> None:
    release, told = Event(), Event()

    class Save(WebSocketDisconnectFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            release.wait(PATIENCE)
            told.set()

    server = serve([Save])
    client = connect(server)
    stopping = gevent.spawn(server.stop, PATIENCE)
    client.frame()
    client.close(1001)
    until(lambda: server.node.reactor.blocked)
    assert not stopping.ready()
    release.set()
    stopping.join(PATIENCE)
    assert told.is_set()


def test_a_mute_client_is_cut_off_at_the_end_of_the_grace(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve()
    client = connect(server)
    server.stop(0.05)
    assert server.live == 0
    assert client.frame().close[0] == 1001
    assert client.at_end()


def test_a_broadcast_reaches_open_connections_alone(serve: Serve, connect: Connect) -> None:
    server = serve()
    closing, other = connect(server), connect(server)
    connection = next(u for u in server.users.values() if u.remote_address[1] == closing.port)
    connection.close(4000)
    server.broadcast("hello")
    assert other.receive() == "hello"
    assert closing.frame().close[0] == 4000
    closing.close(4000)
    assert closing.at_end()


def test_a_broadcast_is_compressed_for_connections_with_deflate(
    serve: Serve, connect: Connect
) -> None:
    server = serve()
    plain = connect(server)
    small = connect(
        server,
        headers=["Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9"],
    )
    large = connect(server, headers=["Sec-WebSocket-Extensions: permessage-deflate"])
    server.broadcast("hello " * 500)
    assert plain.receive() == "hello " * 500
    for client in (small, large):
        got = client.frame()
        assert got.first == 0xC1
        assert len(got.payload) < 300


def test_a_broadcast_of_another_type_is_refused(serve: Serve) -> None:
    with pytest.raises(TypeError, match="can't send int"):
        serve().broadcast(3)  # type: ignore[arg-type]


def test_a_default_token_makes_a_group_of_all(serve: Serve, connect: Connect) -> None:
    server = serve(token="everyone")
    connect(server)
    assert list(server.groups) == ["everyone"]


def test_waiting_runners_are_bounded_and_the_others_get_their_turn_later(
    serve: Serve, connect: Connect
) -> None:
    release = Event()

    class Wait(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            release.wait(PATIENCE)
            web_socket_instance.send(data)

    server = serve([Wait], max_runners=3)
    clients = [connect(server) for _ in range(6)]
    for client in clients:
        client.send("hello")
    until(lambda: server.node.reactor.blocked == 3)
    gevent.sleep(0.05)
    assert server.node.reactor.blocked == 3
    release.set()
    assert [client.receive() for client in clients] == ["hello"] * 6
    assert server.node.reactor.blocked == 0


def test_many_filters_may_wait_at_once(serve: Serve, connect: Connect) -> None:
    release = Event()

    class Wait(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            if data == "wait":
                release.wait(PATIENCE)
            web_socket_instance.send(data)

    server = serve([Wait])
    waiting = [connect(server) for _ in range(300)]
    for client in waiting:
        client.raw(frame(1, b"wait"))
    until(lambda: server.node.reactor.blocked == 300)
    other = connect(server)
    other.send("hello")
    assert other.receive() == "hello"
    release.set()
    assert all(client.receive() == "wait" for client in waiting)


def test_a_node_without_a_server_can_be_started_and_stopped() -> None:
    node = Node(Settings())
    node.start()
    node.stop()
    assert not node.reactor.started
