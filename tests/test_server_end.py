"""The shutdown of our own server: all clients get a Close, and it ends in time."""

from __future__ import annotations

import contextlib
import logging
import socket
from argparse import Namespace
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import Timeout

from fws_gevent.filters.base import WebSocketDisconnectFilter, WebSocketMessageFilter
from fws_gevent.server import FilteredWebSocketServer, build_server

from .certificates import Identity
from .clients import PATIENCE, frame, upgrade
from .conftest import Connect, Serve
from .gunicorns import read_until
from .raw_http import open_socket, read_to_end, request
from .waiting import until


class Echo(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.send(data)


def finish(server: FilteredWebSocketServer) -> None:
    """Call `stop`, which must return by itself."""
    with Timeout(PATIENCE):
        server.stop()


def test_stop_sends_what_is_queued_and_then_1001(serve: Serve, connect: Connect) -> None:
    server = serve()
    clients = [connect(server) for _ in range(3)]
    server.broadcast("first")
    large = b"x" * (3 << 20)  # more than the kernel accepts at once
    server.broadcast(large)
    stopping = gevent.spawn(finish, server)
    for client in clients:
        assert client.receive() == "first"
        assert client.receive() == large
        assert client.frame().close == (1001, "the server is shutting down")
        client.close(1001)
        assert client.at_end()
    stopping.get()


def test_when_stop_returns_every_disconnect_filter_has_run(serve: Serve, connect: Connect) -> None:
    told = []

    class Farewell(WebSocketDisconnectFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            gevent.sleep(0.05)
            told.append((web_socket_instance.id, data.code))

    server = serve([Farewell])
    clients = [connect(server) for _ in range(3)]
    until(lambda: len(server.users) == 3)
    expected = {(each, 1001) for each in server.users}
    stopping = gevent.spawn(finish, server)
    for client in clients:
        assert client.frame().close[0] == 1001
        client.close(1001)
    stopping.get()
    assert set(told) == expected
    assert len(told) == 3


def test_stop_twice_and_at_once_is_stop_once(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve()
    client = connect(server)
    with caplog.at_level(logging.INFO, "fws_gevent.server"):
        stopping = [gevent.spawn(finish, server) for _ in range(2)]
        assert client.frame().close[0] == 1001
        client.close(1001)
        for each in stopping:
            each.get()
        finish(server)
    assert [record.getMessage() for record in caplog.records].count("stopped") == 1


def test_a_stop_that_was_interrupted_can_be_called_again(serve: Serve, connect: Connect) -> None:
    server = serve(grace=1000.0)
    connect(server)
    until(lambda: server.users)
    with contextlib.suppress(Timeout), Timeout(0.05):
        server.stop()
    with Timeout(PATIENCE):
        server.stop(0)
    assert not server.users


@pytest.mark.parametrize("kind", ["tcp", "tls", "a pool", "a socket file"])
def test_a_server_that_was_stopped_can_be_started_again(
    kind: str, serve: Serve, connect: Connect, identity: Identity, tmp_path: Path
) -> None:
    path = f"unix:{tmp_path / 'fws.sock'}"
    more: dict[str, dict[str, str]] = {"tls": identity._asdict(), "a socket file": {"host": path}}
    settings = more.get(kind, {})
    server = serve([Echo], extra={"spawn": 100} if kind == "a pool" else {}, **settings)
    address = server.address
    for _ in range(2):
        finish(server)
        assert not server.started
        server.start()
        assert server.address == address
        assert not server.node.draining
        if kind == "a socket file":
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(PATIENCE)
                client.connect(str(address))
                client.sendall(upgrade(80) + frame(1, b"again"))
                assert b"HTTP/1.1 101 " in read_until(client, b"again")
        else:
            web_socket = connect(server, tls=kind == "tls")
            web_socket.send("again")
            assert web_socket.receive() == "again"
            web_socket.drop()


def test_an_answer_that_takes_too_long_is_cut_off_with_the_grace(serve: Serve) -> None:
    def page(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"begun"
        gevent.sleep(1000)

    server = serve(grace=0.1, path="/ws", extra={"application": page})
    with open_socket(server) as client:
        client.sendall(request())
        until(lambda: server.http["busy"])
        finish(server)
        assert b"begun" in read_to_end(client)


def test_after_stop_connections_are_refused(serve: Serve) -> None:
    server = serve()
    assert server.server_port
    finish(server)
    with pytest.raises(ConnectionRefusedError):
        open_socket(server)


@pytest.mark.parametrize("deaf", [False, True])
def test_a_mute_client_is_cut_off_within_grace(deaf: bool, serve: Serve, connect: Connect) -> None:
    """A mute client doesn't answer the Close; a deaf one doesn't read either."""
    server = serve(grace=0.2, close_timeout=1000.0, max_queue_time=1000.0)
    client = connect(server, receive_buffer=4096)
    until(lambda: server.users)
    if deaf:
        server.broadcast(b"x" * (16 << 20))
    finish(server)
    assert not server.users
    assert server.node.counters.closes == {1001: 1}
    if not deaf:
        assert client.frame().close[0] == 1001
        assert client.at_end()


@pytest.mark.parametrize("clients", [1, 50])
def test_without_grace_all_clients_still_get_a_close(
    clients: int, serve: Serve, connect: Connect
) -> None:
    server = serve(grace=0)
    there = [connect(server) for _ in range(clients)]
    until(lambda: len(server.users) == clients)
    finish(server)
    for client in there:
        assert client.frame().close == (1001, "the server is shutting down")
        assert client.at_end()


def test_without_grace_a_large_message_is_sent_before_the_close(
    serve: Serve, connect: Connect
) -> None:
    server = serve(grace=0)
    client = connect(server)
    until(lambda: server.users)
    server.broadcast(b"x" * 100_000)
    finish(server)
    assert client.receive() == b"x" * 100_000
    assert client.frame().close[0] == 1001


def test_a_filter_that_never_ends_does_not_delay_the_stop(serve: Serve, connect: Connect) -> None:
    class Sleeper(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            web_socket_instance.send("asleep")
            gevent.sleep(1000)

    server = serve([Sleeper], grace=0.1)
    client = connect(server)
    client.send("sleep")
    assert client.receive() == "asleep"
    finish(server)


def test_a_server_that_never_started_can_be_stopped_and_then_started(connect: Connect) -> None:
    server = build_server(Namespace(port=0), filters=[Echo])
    finish(server)
    server.start()
    client = connect(server)
    client.send("here")
    assert client.receive() == "here"
    client.drop()
    finish(server)


def test_serve_forever_returns_when_the_server_is_stopped(serve: Serve, connect: Connect) -> None:
    server = serve()
    serving = gevent.spawn(server.serve_forever)
    client = connect(server)
    client.close()
    assert client.frame().close[0] == 1000
    assert not serving.dead
    finish(server)
    serving.get(timeout=PATIENCE)


def test_requests_during_shutdown_are_refused(serve: Serve, connect: Connect) -> None:
    server = serve()
    client = connect(server)
    with open_socket(server) as late:
        late.sendall(request())
        assert late.recv(12) == b"HTTP/1.1 426"
        stopping = gevent.spawn(finish, server)
        until(lambda: server.node.draining)
        late.sendall(upgrade(80))
        assert b"\r\n\r\nThis is a WebSocket server" in (received := read_to_end(late))
        assert b"HTTP/1.1 503 " in received
        client.close(1001)
        stopping.get()
