"""The takeover of a socket from its WSGI handler, with all bytes that have come."""

from __future__ import annotations

import _socket
import socket
import struct
from typing import Any

import pytest
from gevent.event import AsyncResult, Event

from fws_gevent.connection.tls import SecureSocket
from fws_gevent.upgrade.takeover import take_socket
from fws_gevent.wsgi.handler import FilteredWebSocketHandler

from ..certificates import Identity
from ..clients import PATIENCE, upgrade
from ..conftest import Connect, Serve
from ..raw_http import open_socket
from ..waiting import until


class Taken:
    """The socket that was taken from a handler, and the handler without it."""

    def __init__(self, handler: Any) -> None:
        self.socket, self.early = take_socket(handler)
        self.left = handler.socket


class Takers:
    """Makes handlers that hand the socket to the test, and not to a node."""

    def __init__(self) -> None:
        self.taken: AsyncResult[Taken] = AsyncResult()
        self.may_take = Event()
        self.may_take.set()
        self.ended = Event()

    @property
    def handler_class(self) -> type[FilteredWebSocketHandler]:
        takers = self

        class Taker(FilteredWebSocketHandler):
            def run_websocket(self) -> None:
                takers.may_take.wait(PATIENCE)
                try:
                    takers.taken.set(Taken(self))
                except OSError as error:
                    takers.taken.set_exception(error)

            def handle(self) -> None:
                super().handle()
                takers.ended.set()

        return Taker

    def get(self) -> Taken:
        taken = self.taken.get(timeout=PATIENCE)
        assert taken is not None
        return taken


@pytest.fixture
def takers() -> Takers:
    return Takers()


def read(taken: Any, size: int) -> bytes:
    """Read from a non-blocking socket until `size` bytes are there."""
    received = bytearray()
    buffer = bytearray(65536)

    def enough() -> bool:
        try:
            received.extend(buffer[: taken.recv_into(buffer)])
        except BlockingIOError:
            return False
        return len(received) >= size

    until(enough)
    return bytes(received)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("early", [b"", b"x", b"early bytes " * 100])
def test_the_taken_socket_has_all_bytes_that_were_sent(
    early: bytes, tls: bool, takers: Takers, serve: Serve, connect: Connect, identity: Identity
) -> None:
    server = serve(
        extra={"handler_class": takers.handler_class}, **(identity._asdict() if tls else {})
    )
    client = connect(server, early=early, tls=tls)
    taken = takers.get()
    takers.ended.wait(PATIENCE)  # gevent must not touch it at the end of the request
    try:
        assert taken.early == early
        client.raw(b"later")
        assert read(taken.socket, 5) == b"later"
        assert taken.socket.send(b"\x81\x02hi") == 4
        assert client.receive() == "hi"
    finally:
        taken.socket.close()
    assert client.at_end()


@pytest.mark.parametrize("tls", [False, True])
def test_bytes_that_the_handler_has_not_read_stay_in_the_socket(
    tls: bool, takers: Takers, serve: Serve, connect: Connect, identity: Identity
) -> None:
    server = serve(
        extra={"handler_class": takers.handler_class}, **(identity._asdict() if tls else {})
    )
    early = bytes(range(256)) * 400
    connect(server, early=early, tls=tls)
    taken = takers.get()
    try:
        assert 0 < len(taken.early) < len(early)
        assert taken.early + read(taken.socket, len(early) - len(taken.early)) == early
    finally:
        taken.socket.close()


@pytest.mark.parametrize("tls", [False, True])
def test_the_taken_socket_has_no_other_owner_and_never_waits(
    tls: bool, takers: Takers, serve: Serve, connect: Connect, identity: Identity
) -> None:
    server = serve(
        extra={"handler_class": takers.handler_class}, **(identity._asdict() if tls else {})
    )
    connect(server, tls=tls)
    taken = takers.get()
    try:
        assert taken.left is None
        assert type(taken.socket) is (SecureSocket if tls else _socket.socket)
        with pytest.raises(BlockingIOError):
            taken.socket.recv_into(bytearray(1))
        with socket.socket(fileno=socket.dup(taken.socket.fileno())) as same:
            assert same.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    finally:
        taken.socket.close()


def test_a_client_that_is_gone_raises_os_error(takers: Takers, serve: Serve) -> None:
    takers.may_take.clear()
    server = serve(extra={"handler_class": takers.handler_class})
    with open_socket(server) as client:
        client.sendall(upgrade(80))
        assert client.recv(12) == b"HTTP/1.1 101"
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    takers.may_take.set()
    with pytest.raises(ConnectionResetError):
        takers.get()
