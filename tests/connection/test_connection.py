"""A connection in the hands of filters, over real sockets."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import pytest
from gevent.event import Event

from fws_gevent.connection.connection import current
from fws_gevent.filters.base import (
    WebSocketConnectFilter,
    WebSocketDisconnectFilter,
    WebSocketMessageFilter,
)
from fws_gevent.message import Message
from tests.clients import PATIENCE, Client
from tests.conftest import Connect, Serve
from tests.waiting import until

from .scripts import Echo, Script

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
        seen.append((web_socket_instance.id, *data))


def test_a_message_is_echoed_with_its_type_and_payload(serve: Serve, connect: Connect) -> None:
    client = connect(serve([Echo]))
    for message in ("héllo", b"\xff\x00", "", b"", "x" * 70000, b"y" * 126):
        client.send(message)
        assert client.receive() == message


@pytest.mark.parametrize(
    ("expression", "arrives"),
    [
        ("ws.send('text')", "text"),
        ("ws.send(b'bytes')", b"bytes"),
        ("ws.send(bytearray(b'bytes'))", b"bytes"),
        ("ws.send(memoryview(b'bytes'))", b"bytes"),
        ("ws.send(BinaryMessage(b'b'))", b"b"),
        ("ws.sendMessage(b'was text')", "was text"),
        ("ws.sendMessage(b'\\xff')", b"\xff"),
        ("ws.sendMessage('text')", "text"),
        ("ws.sendMessage(BinaryMessage(b'b'))", b"b"),
    ],
)
def test_the_type_of_the_data_decides_between_text_and_binary(
    serve: Serve, connect: Connect, expression: str, arrives: str | bytes
) -> None:
    client = connect(serve([Script]))
    client.send(expression)
    assert client.receive() == arrives
    assert client.receive() == "True"


def test_sending_another_type_fails_the_filter(serve: Serve, connect: Connect) -> None:
    client = connect(serve([Script]))
    client.send("ws.send(1)")
    assert client.frame().close == (1011, "a filter failed")


def test_send_returns_false_after_the_close(serve: Serve, connect: Connect) -> None:
    server = serve([Script])
    client = connect(server)
    client.send("ws.close(4000, 'bye') or ws.data.setdefault('sent', ws.send('late'))")
    assert client.frame().close == (4000, "bye")
    client.close(4000)
    assert client.at_end()


@pytest.mark.parametrize(
    "arguments",
    ["999", "1004", "1005", "1006", "1015", "5000", "1000.5", "'bye'", "None", "1000, b'bye'",
     "1000, None"],
)  # fmt: skip
@pytest.mark.parametrize("close", ["close({})", "node.disconnect(id=ws.id, code={})"])
def test_an_invalid_close_code_or_reason_fails_the_filter(
    serve: Serve, connect: Connect, close: str, arguments: str
) -> None:
    if "node" in close:
        arguments = arguments.replace(",", ", reason=")
    client = connect(serve([Script]))
    client.send(f"ws.{close.format(arguments)}")
    assert client.frame().close == (1011, "a filter failed")


@pytest.mark.parametrize(
    ("reason", "sent"),
    [("'é' * 200", "é" * 61), ("'x' + '€' * 99", "x" + "€" * 40), ("'a\\ud800b'", "a?b")],
)
def test_a_long_close_reason_is_cut_between_characters(
    serve: Serve, connect: Connect, reason: str, sent: str
) -> None:
    client = connect(serve([Script]))
    client.send(f"ws.close(4000, {reason})")
    assert client.frame().close == (4000, sent)


def test_the_attributes_of_a_connection(serve: Serve, connect: Connect) -> None:
    server = serve([Script], subprotocols=("chat",))
    client = connect(server, "/a/b?c=d", headers=["Sec-WebSocket-Protocol: other, chat"])
    (connection,) = server.users.values()
    for expression, value in [
        ("ws.path", "/a/b"),
        ("ws.remote_address", client.socket.getsockname()),
        ("ws.subprotocol", "chat"),
        ("ws.id", connection.id),
        ("list(ws.users) == [ws.id]", True),
        ("ws.storage_object is ws.node.storage_object", True),
        ("ws.open", True),
        ("ws.data", {}),
    ]:
        client.send(expression)
        assert client.receive() == repr(value)


def test_a_broadcast_reaches_all_others_or_a_group(serve: Serve, connect: Connect) -> None:
    server = serve([Script])
    one, two, three = connect(server), connect(server), connect(server)
    for member in (one, two):
        member.send("ws.join('room')")
        member.receive()
    one.send("ws.broadcast('all')")
    assert (one.receive(), two.receive(), three.receive()) == ("None", "all", "all")
    one.send("ws.broadcast('group', 'room')")
    assert (one.receive(), two.receive()) == ("None", "group")
    one.send("ws.broadcast(b'me too', 'room', include_self=True)")
    assert (one.receive(), one.receive(), two.receive()) == (b"me too", "None", b"me too")
    two.send("ws.leave('room')")
    two.receive()
    three.send("ws.broadcast('left', 'room')")
    assert (one.receive(), three.receive()) == ("left", "None")
    two.send("sorted(ws.groups), sorted(ws.node.groups)")
    assert two.receive() == "([], ['room'])"


def test_a_filter_may_wait_while_it_iterates_over_the_users(serve: Serve, connect: Connect) -> None:
    halfway, go_on = Event(), Event()

    class Slow(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            for user in web_socket_instance.users.values():
                halfway.set()
                go_on.wait(PATIENCE)
                user.sendMessage(data)

    server = serve([Slow])
    one, two = connect(server), connect(server)
    one.send("hello")
    assert halfway.wait(PATIENCE)
    two.drop()
    connect(server)
    go_on.set()
    assert one.receive() == "hello"


def test_each_connection_has_a_context_of_its_own(serve: Serve, connect: Connect) -> None:
    name: ContextVar[str] = ContextVar("name", default="nobody")

    class Remember(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            web_socket_instance.send(name.get())
            name.set(data.text)
            assert current.get() is web_socket_instance

    server = serve([Remember])
    one, two = connect(server), connect(server)
    answers = []
    for client, word in [(one, "a"), (two, "b"), (one, "c"), (two, "d")]:
        client.send(word)
        answers.append(client.receive())
    assert answers == ["nobody", "nobody", "a", "b"]
    assert name.get() == "nobody"


def test_an_offloaded_filter_may_use_the_connection_from_its_thread(
    serve: Serve, connect: Connect
) -> None:
    class Compute(WebSocketMessageFilter):
        offload = True

        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> Message:
            web_socket_instance.join("computed")
            web_socket_instance.send("one")
            web_socket_instance.broadcast("two", "computed", include_self=True)
            web_socket_instance.leave("computed")
            return Message(b"three")

    client = connect(serve([Compute, Echo]))
    client.send("go")
    assert [client.receive() for _ in range(3)] == ["one", "two", "three"]


def test_a_filter_that_streams_waits_for_a_slow_reader_and_loses_nothing(
    serve: Serve, connect: Connect
) -> None:
    class Stream(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            for number in range(300):
                assert web_socket_instance.send(f"{number:05}" + "x" * 65536)
                seen.append(number)
            web_socket_instance.send("done")

    server = serve([Stream], max_queue=100_000)
    client = connect(server, receive_buffer=65536)
    client.send("go")
    until(lambda: server.node.reactor.blocked)
    assert len(seen) < 300
    for number in range(300):
        text = client.receive()
        assert isinstance(text, str)
        assert text[:5] == f"{number:05}"
    assert client.receive() == "done"


def test_a_filter_that_streams_ends_when_its_peer_never_reads(
    serve: Serve, connect: Connect
) -> None:
    class Stream(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            while web_socket_instance.send("x" * 65536):
                pass
            seen.append("let go")

    server = serve([Stream, Goodbye], max_queue=100_000, max_queue_time=0.2, close_timeout=0.2)
    client = connect(server, receive_buffer=65536)
    client.send("go")
    until(lambda: len(seen) == 2)
    assert seen[0] == "let go"
    assert seen[1][1:] == (1013, "too slow or overloaded")


def test_a_peer_may_read_one_large_message_slowly(serve: Serve, connect: Connect) -> None:
    class Large(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            web_socket_instance.send(b"x" * 24_000_000)
            web_socket_instance.send("done")

    server = serve([Large, Goodbye], max_queue=1000, max_queue_time=0.4)
    client = connect(server)
    client.send("go")
    until(lambda: server.node.reactor.blocked)
    left = 23_000_000
    while left > 0:
        before = server.node.wheel.now
        left -= _read(client, min(left, 1_500_000))
        until(lambda before=before: server.node.wheel.now > before)  # type: ignore[misc]
    assert not seen


def test_connect_filters_get_the_environ_and_may_greet(serve: Serve, connect: Connect) -> None:
    class Greet(WebSocketConnectFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            web_socket_instance.send(f"hello {data['QUERY_STRING']}")

    client = connect(serve([Greet]), "/?who=me")
    assert client.receive() == "hello who=me"
