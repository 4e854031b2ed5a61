"""The events of a connection's input: their order, protocol errors and failures."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent.event import Event
from websockets.sync.client import connect as websockets_connect

from fws_gevent import signals
from fws_gevent.errors import PublishFailed
from fws_gevent.filters.base import (
    WebSocketConnectFilter,
    WebSocketDataFilter,
    WebSocketDisconnectFilter,
    WebSocketMessageFilter,
)
from tests.clients import PATIENCE, frame
from tests.conftest import Connect, Serve
from tests.waiting import until

seen: list[Any] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    seen.clear()


class Echo(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.send(data)


class Goodbye(WebSocketDisconnectFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        seen.append(tuple(data))


def test_a_ping_is_answered_in_order_with_its_payload(serve: Serve, connect: Connect) -> None:
    client = connect(serve([Echo]))
    client.raw(frame(1, b"a") + frame(9, b"ping") + frame(1, b"b"))
    assert client.receive() == "a"
    assert client.frame() == (0x8A, b"ping")
    assert client.receive() == "b"


def test_messages_before_a_loss_are_handled_first(serve: Serve, connect: Connect) -> None:
    class Note(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            seen.append(data.text)

    client = connect(serve([Note, Goodbye]))
    client.raw(b"".join(frame(1, b"%d" % number) for number in range(1000)))
    client.drop()
    until(lambda: len(seen) == 1001)
    assert seen[:1000] == [str(number) for number in range(1000)]


def test_messages_before_a_faulty_frame_are_answered_before_the_connection_fails(
    serve: Serve, connect: Connect
) -> None:
    client = connect(serve([Echo, Goodbye]))
    client.raw(frame(1, b"good") + frame(1, b"bad", masked=False) + frame(1, b"lost") * 10)
    assert client.receive() == "good"
    assert client.frame().close == (1002, "frame is not masked")
    assert client.at_end()
    client.drop()
    until(lambda: seen)
    assert seen == [(1002, "frame is not masked")]


def test_data_filters_get_the_bytes_first_and_may_replace_them(
    serve: Serve, connect: Connect
) -> None:
    class Swap(WebSocketDataFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> bytes:
            seen.append(data)
            return frame(1, b"swapped")

    client = connect(serve([Swap, Echo]), early=frame(1, b"early"))
    assert client.receive() == "swapped"
    client.send("late")
    assert client.receive() == "swapped"
    assert seen == [frame(1, b"early"), frame(1, b"late")]


def test_bytes_that_came_with_the_request_follow_the_connect_event(
    serve: Serve, connect: Connect
) -> None:
    class Greet(WebSocketConnectFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            gevent.sleep(0.01)
            web_socket_instance.send("welcome")

    client = connect(serve([Greet, Echo]), early=b"".join(frame(1, b"%d" % n) for n in range(600)))
    assert client.receive() == "welcome"
    assert [client.receive() for _ in range(600)] == [str(number) for number in range(600)]


def test_a_filter_that_waits_blocks_its_own_connection_alone(
    serve: Serve, connect: Connect
) -> None:
    release = Event()

    class Wait(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            if data == "wait":
                release.wait(PATIENCE)

    server = serve([Wait, Echo, Goodbye])
    waiting, other = connect(server), connect(server)
    waiting.send("wait")
    waiting.send("next")
    until(lambda: server.node.reactor.blocked)
    other.send("hello")
    assert other.receive() == "hello"
    waiting.close()
    other.send("hello again")
    assert other.receive() == "hello again"
    assert not seen
    release.set()
    assert [waiting.receive(), waiting.receive()] == ["wait", "next"]
    assert waiting.frame().opcode == 8
    until(lambda: seen)


@pytest.mark.parametrize("error", [ZeroDivisionError(), gevent.Timeout(), gevent.GreenletExit()])
def test_a_filter_that_raises_ends_its_own_connection_with_1011(
    serve: Serve, connect: Connect, error: BaseException
) -> None:
    class Fail(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            if data == "fail":
                raise error

    server = serve([Fail, Echo])
    bad, good = connect(server), connect(server)
    bad.send("fail")
    assert bad.frame().close == (1011, "a filter failed")
    good.send("hello")
    assert good.receive() == "hello"
    assert server.node.events.chains["message"].failures[Fail] == 1


def test_a_publish_that_fails_is_reported_to_the_sender_and_closes_no_connection(
    serve: Serve, connect: Connect
) -> None:
    class Publish(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            if data == "publish":
                raise PublishFailed("away")

    client = connect(serve([Publish, Echo]))
    client.send("publish")
    assert client.receive() == PublishFailed.notice
    client.send("still here")
    assert client.receive() == "still here"


def test_a_subscriber_that_raises_stops_neither_chain_nor_connection(
    serve: Serve, connect: Connect
) -> None:
    def subscriber(server: object, web_socket_instance: Any, data: Any) -> None:
        seen.append(data.text)
        raise ValueError

    client = connect(serve([Echo]))
    with signals.message_received.connected_to(subscriber):
        client.send("hello")
        assert client.receive() == "hello"
    assert seen == ["hello"]


def test_deflate_is_agreed_on_and_used_both_ways(serve: Serve) -> None:
    server = serve([Echo])
    with websockets_connect(f"ws://127.0.0.1:{server.server_port}/") as client:
        assert client.response is not None
        assert "permessage-deflate" in client.response.headers["Sec-WebSocket-Extensions"]
        for text in ("short", "long " * 5000, "ünïcode " * 100):
            client.send(text)
            assert client.recv(PATIENCE) == text
        client.send([b"fragments " * 50, b"of bytes " * 50])
        assert client.recv(PATIENCE) == b"fragments " * 50 + b"of bytes " * 50


def test_a_compressed_answer_is_smaller(serve: Serve, connect: Connect) -> None:
    server = serve([Echo])
    client = connect(server, headers=["Sec-WebSocket-Extensions: permessage-deflate"])
    client.send("hello " * 1000)
    got = client.frame()
    assert got.first == 0xC1
    assert len(got.payload) < 100


def test_a_flood_of_small_messages_keeps_its_order(serve: Serve, connect: Connect) -> None:
    client = connect(serve([Echo]))
    client.raw(b"".join(frame(1, b"%d" % number) for number in range(5000)))
    assert [client.receive() for _ in range(5000)] == [str(number) for number in range(5000)]


def test_messages_that_a_filter_sends_before_it_blocks_leave_at_once(
    serve: Serve, connect: Connect
) -> None:
    release = Event()

    class Wait(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            web_socket_instance.send("working")
            release.wait(PATIENCE)
            web_socket_instance.send("done")

    server = serve([Wait])
    client = connect(server)
    client.send("go")
    assert client.receive() == "working"
    server.broadcast("meanwhile")
    assert client.receive() == "meanwhile"
    release.set()
    assert client.receive() == "done"
