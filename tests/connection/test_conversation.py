"""The end of a connection: Close frames in both directions, and the close of the socket."""

from __future__ import annotations

import socket
import struct
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.monkey import get_original

from fws_gevent.connection.connection import Connection
from fws_gevent.filters.base import (
    WebSocketDisconnectFilter,
    WebSocketMessageFilter,
)
from fws_gevent.node.facade import NodeFacade
from tests.clients import PATIENCE, Client, frame
from tests.conftest import Connect, Serve
from tests.waiting import until

seen: list[Any] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    seen.clear()


class Goodbye(WebSocketDisconnectFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        seen.append(tuple(data))


class Echo(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.send(data)


PART = 100_000


class Many(WebSocketMessageFilter):
    """Sends the number of messages of PART bytes that it gets; closes if that is negative."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        for _ in range(abs(int(data.text))):
            web_socket_instance.send(bytes(PART))
        if int(data.text) < 0:
            web_socket_instance.close(4000, "done")


def _of(server: NodeFacade, client: Client) -> Connection:
    found: Connection
    (found,) = [each for each in server.users.values() if each.remote_address[1] == client.port]
    return found


def _reset(client: Client, connection: Connection) -> None:
    """Reset a client's connection, and wait until the server's kernel knows of it."""
    linger = struct.pack("ii", 1, 0)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    watch = get_original("select", "poll")()
    watch.register(connection.descriptor, 0)
    client.drop()
    until(lambda: watch.poll(0))


def _read_parts(client: Client, pause: float = 0.0) -> tuple[int, tuple[int, str]]:
    """Return the size of the messages up to the Close, and the code and reason of that."""
    size = 0
    while (got := client.frame()).opcode == 2:
        size += len(got.payload)
        gevent.sleep(pause)
    return size, got.close


@pytest.mark.parametrize(
    ("body", "answer", "told"),
    [
        (b"\x03\xe8bye", b"\x03\xe8bye", (1000, "bye")),
        (b"", b"", (1005, "")),
        (b"\x0f\xa0", b"\x0f\xa0", (4000, "")),
        (b"\x03\xed", b"\x03\xeainvalid close code", (1002, "invalid close code")),
        (b"\x03", b"\x03\xeainvalid close code", (1002, "invalid close code")),
        (
            b"\x03\xe8\xff",
            b"\x03\xefclose reason is not UTF-8",
            (1007, "close reason is not UTF-8"),
        ),
    ],
)
def test_a_close_is_answered_and_brings_one_disconnect_event(
    serve: Serve, connect: Connect, body: bytes, answer: bytes, told: tuple[int, str]
) -> None:
    client = connect(serve([Goodbye]))
    client.raw(frame(8, body))
    assert client.frame() == (0x88, answer)
    assert client.at_end()
    client.drop()
    until(lambda: seen)
    assert seen == [told]


def test_a_connection_that_is_lost_ends_with_1006(serve: Serve, connect: Connect) -> None:
    client = connect(serve([Goodbye]))
    client.drop()
    until(lambda: seen)
    assert seen == [(1006, "the connection was lost")]


def test_our_close_waits_for_that_of_the_peer_and_the_first_code_counts(
    serve: Serve, connect: Connect
) -> None:
    server = serve([Goodbye, Echo])
    client = connect(server)
    (connection,) = server.users.values()
    connection.send("before")
    connection.close(4001, "enough")
    connection.close(4002, "again")
    assert client.receive() == "before"
    assert client.frame().close == (4001, "enough")
    client.send("ignored")
    client.close(4001)
    assert client.at_end()
    until(lambda: seen)
    assert seen == [(4001, "enough")]


def test_a_peer_that_never_answers_our_close_is_cut_off(serve: Serve, connect: Connect) -> None:
    server = serve([Goodbye], close_timeout=0.1)
    client = connect(server)
    (connection,) = server.users.values()
    connection.close(4001, "enough")
    client.frame()
    assert client.at_end()
    until(lambda: seen)
    assert seen == [(4001, "enough")]


def test_a_long_reason_is_cut_between_characters(serve: Serve, connect: Connect) -> None:
    server = serve()
    client = connect(server)
    (connection,) = server.users.values()
    connection.close(4001, "é" * 100)
    assert client.frame().close == (4001, "é" * 61)


def test_a_protocol_error_after_our_close_brings_no_second_close(
    serve: Serve, connect: Connect
) -> None:
    server = serve([Goodbye])
    client = connect(server)
    (connection,) = server.users.values()
    connection.close(4001, "enough")
    assert client.frame().close == (4001, "enough")
    client.raw(frame(1, b"bad", masked=False))
    assert client.at_end()
    client.drop()
    until(lambda: seen)
    assert seen == [(4001, "enough")]


def test_messages_before_the_end_of_the_stream_are_answered(serve: Serve, connect: Connect) -> None:
    client = connect(serve([Echo, Goodbye]))
    client.raw(b"".join(frame(1, b"%d" % number) for number in range(600)))
    client.socket.shutdown(socket.SHUT_WR)
    assert [client.receive() for _ in range(600)] == [str(number) for number in range(600)]
    assert client.at_end()
    until(lambda: seen)
    assert seen == [(1006, "the connection was lost")]


@pytest.mark.parametrize("shut", [False, True])
def test_a_peer_that_shuts_its_side_after_a_close_gets_all_messages(
    serve: Serve, connect: Connect, shut: bool
) -> None:
    client = connect(serve([Many, Goodbye], max_queue=PART * 100), receive_buffer=8192)
    client.raw(frame(1, b"60") + frame(8, b"\x03\xe8"))
    if shut:
        client.socket.shutdown(socket.SHUT_WR)
    gevent.sleep(0.05)
    assert _read_parts(client) == (60 * PART, (1000, ""))
    assert client.at_end()
    until(lambda: seen)
    assert seen == [(1000, "")]


def test_a_peer_that_shuts_its_side_without_a_close_gets_all_messages(
    serve: Serve, connect: Connect
) -> None:
    client = connect(serve([Many, Goodbye], max_queue=PART * 100), receive_buffer=8192)
    client.send("60")
    client.socket.shutdown(socket.SHUT_WR)
    assert sum(len(client.receive()) for _ in range(60)) == 60 * PART
    assert client.at_end()
    until(lambda: seen)
    assert seen == [(1006, "the connection was lost")]


def test_a_peer_that_reads_steadily_gets_all_messages_before_the_close(
    serve: Serve, connect: Connect
) -> None:
    server = serve([Many, Goodbye], max_queue=PART * 100, close_timeout=0.1)
    client = connect(server, receive_buffer=8192)
    client.send("-60")
    assert _read_parts(client, pause=0.01) == (60 * PART, (4000, "done"))
    client.close(4000)
    until(lambda: seen)
    assert seen == [(4000, "done")]


def test_a_peer_that_does_not_read_our_close_ends_with_1006(serve: Serve, connect: Connect) -> None:
    server = serve([Many, Goodbye], max_queue=PART * 100, close_timeout=0.1)
    client = connect(server, receive_buffer=8192)
    client.send("-99")
    until(lambda: seen)
    assert seen == [(1006, "the peer didn't answer the Close")]
    assert not server.users


def test_a_peer_that_is_lost_before_our_close_is_sent_ends_with_1006(
    serve: Serve, connect: Connect
) -> None:
    server = serve([Goodbye])
    client = connect(server)
    connection = _of(server, client)
    connection.busy = True  # as while its filter works, so that the reset is not read first
    _reset(client, connection)
    connection.close(4001, "enough")
    connection.busy = False
    server.node.reactor.schedule(connection)
    until(lambda: seen)
    (told,) = seen
    assert told[0] == 1006


@pytest.mark.parametrize("answers", [0, 4000])
def test_the_stream_ends_at_once_after_a_protocol_error(
    serve: Serve, connect: Connect, answers: int
) -> None:
    server = serve([Echo], close_timeout=10 * PATIENCE)
    client = connect(server)
    client.raw(frame(1, b"m" * 20) * answers + frame(1, b"bad", masked=False))
    for _ in range(answers):
        assert client.receive() == "m" * 20
    assert client.frame().close == (1002, "frame is not masked")
    assert client.at_end()


def test_input_after_a_protocol_error_is_discarded_so_that_the_close_arrives(
    serve: Serve, connect: Connect
) -> None:
    server = serve([Echo], close_timeout=10 * PATIENCE)
    client = connect(server)
    client.raw(frame(1, b"bad", masked=False) + bytes(1 << 20))
    assert client.frame().close == (1002, "frame is not masked")
    client.raw(bytes(1 << 20))
    assert client.at_end()
    client.drop()
    until(lambda: not server.live)


def test_the_end_of_a_connection_leaves_the_next_owner_of_its_descriptor_alone(
    serve: Serve, connect: Connect
) -> None:
    release = Event()

    class Nap(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            if data == "nap":
                release.wait(PATIENCE)

    server = serve([Nap, Echo, Goodbye])
    napper = connect(server)
    napper.send("nap")
    until(lambda: server.node.reactor.blocked)
    connection = _of(server, napper)
    descriptor = connection.descriptor
    _reset(napper, connection)
    for _ in range(3000):
        connection.send("x" * 20)
    connection.close(4000, "r" * 120)  # its Close finds the connection lost
    assert connection.descriptor == -1
    heirs = [connect(server) for _ in range(20)]
    assert descriptor in [_of(server, heir).descriptor for heir in heirs]
    release.set()
    until(lambda: seen)
    for heir in heirs:
        heir.send("still there?")
        assert heir.receive() == "still there?"
    assert len(server.users) == server.live == len(heirs)
    assert [code for code, _ in seen] == [1006]


def test_a_connection_is_removed_although_a_disconnect_filter_raises(
    serve: Serve, connect: Connect
) -> None:
    class Fail(WebSocketDisconnectFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            raise ZeroDivisionError

    server = serve([Fail])
    client = connect(server)
    client.close()
    until(lambda: not server.live)
    assert not server.users
