"""Answers to clients that read slowly, and to clients that do not read."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from typing import Any

import gevent
import pytest

from fws_gevent.wsgi.answers import send_while_read
from fws_gevent.wsgi.body import TooSlow

from ..certificates import Identity
from ..clients import PATIENCE
from ..conftest import Serve
from ..raw_http import open_socket, request
from ..waiting import until

LARGE = 8 << 20  # more than the kernel takes


def page(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", str(LARGE))])
    return [bytes(LARGE)]


def taken_slowly(client: socket.socket) -> int:
    """Read steadily to the end, over several times the time-out; return the bytes."""
    size, rested = 0, 0
    while data := client.recv(1 << 18):
        size += len(data)
        if size - rested > 1 << 18:
            rested = size
            gevent.sleep(0.025)
    return size


@pytest.mark.parametrize("tls", [False, True])
def test_an_answer_that_is_read_steadily_is_sent_to_its_end(
    tls: bool, serve: Serve, identity: Identity
) -> None:
    files = identity._asdict() if tls else {}
    server = serve(request_timeout=0.2, path="/ws", extra={"application": page}, **files)
    with open_socket(server) as bare:
        client = bare
        if tls:
            context = ssl._create_unverified_context()
            client = context.wrap_socket(bare)
        client.sendall(request("GET / HTTP/1.1", "Connection: close"))
        assert taken_slowly(client) > LARGE
        client.close()


def test_an_answer_that_is_not_read_is_given_up(serve: Serve) -> None:
    server = serve(request_timeout=0.1, path="/ws", extra={"application": page})
    with open_socket(server) as client:
        client.sendall(request("GET / HTTP/1.1"))
        until(lambda: server.http["busy"])
        until(lambda: not any(server.http.values()))


@pytest.fixture
def pair() -> Iterable[tuple[Any, Any]]:
    """Two ends of a connection whose kernel buffers are small."""
    left, right = socket.socketpair()
    for each in (left, right):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    yield left, right
    left.close()
    right.close()


def test_a_client_that_drips_is_given_up_and_one_that_reads_is_not(pair: tuple[Any, Any]) -> None:
    left, right = pair
    sending = gevent.spawn(send_while_read, left, bytes(1 << 18), 0.2)
    size = 0
    while size < 1 << 18:
        size += len(right.recv(40_000))
        gevent.sleep(0.01)
    sending.get(timeout=PATIENCE)
    assert left.gettimeout() == 0.2
    with pytest.raises(TooSlow):
        send_while_read(left, bytes(1 << 18), 0.1)


def test_without_a_time_out_the_client_may_stop(pair: tuple[Any, Any]) -> None:
    left, right = pair
    sending = gevent.spawn(send_while_read, left, bytes(1 << 16), 0.0)
    gevent.sleep(0.05)
    assert not sending.ready()
    size = 0
    while size < 1 << 16:
        size += len(right.recv(1 << 16))
    sending.get(timeout=PATIENCE)
    assert left.gettimeout() is None
