"""The end of HTTP connections: an answer arrives also if its client sends on."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Iterator
from typing import Any

import gevent
import pytest

from fws_gevent.wsgi import connections as http_connections
from fws_gevent.wsgi.connections import HTTPConnections, has_unread, linger, twin_of

from ..clients import PATIENCE, upgrade
from ..conftest import Serve
from ..raw_http import open_socket, request
from ..waiting import until

BEHIND = b"x" * 300_000  # more than is read along with an answer
LARGE = 1 << 20


def page(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", str(LARGE))])
    return [bytes(LARGE)]


def answer_to(client: socket.socket, data: bytes) -> bytes:
    """Send `data` and return the answer up to its end, which must not be a reset."""
    client.sendall(data)
    received = b""
    while more := client.recv(65536):
        received += more
        gevent.sleep(0)
    return received


@pytest.mark.parametrize(
    ("data", "status", "size"),
    [
        pytest.param(upgrade(80, headers=["Origin: http://x"]), 403, 30, id="a refused upgrade"),
        pytest.param(b"nonsense\r\n\r\n", 400, 10, id="no request"),
        pytest.param(request("GET / HTTP/1.1", "Connection: close"), 200, LARGE, id="a last one"),
        pytest.param(
            request("POST / HTTP/1.1", "Expect: 100-continue", "Content-Length: 300000"),
            200, LARGE, id="a body that nobody asked for",
        ),
    ],
)  # fmt: skip
def test_an_answer_arrives_whole_though_its_client_sends_on(
    data: bytes, status: int, size: int, serve: Serve
) -> None:
    server = serve(extra={"application": page})
    with open_socket(server) as client:
        received = answer_to(client, data + BEHIND)
    assert received.startswith(f"HTTP/1.1 {status} ".encode())
    assert len(received) > size
    until(lambda: not any(server.http.values()))


def test_a_client_that_never_hangs_up_is_not_waited_for_for_long(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connections, "LINGER", 0.05)
    server = serve()
    with open_socket(server) as client:
        client.sendall(b"nonsense\r\n\r\n")
        until(lambda: server.http["new"] or server.http["idle"])
        until(lambda: not any(server.http.values()))


@pytest.fixture
def pair() -> Iterator[tuple[Any, Any]]:
    """Two ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        left = socket.create_connection(listener.getsockname(), PATIENCE)
        right = listener.accept()[0]
    yield left, right
    for each in (left, right):
        with contextlib.suppress(OSError):
            each.close()


def test_unread_bytes_are_found(pair: tuple[Any, Any]) -> None:
    left, right = pair
    assert not has_unread(left)
    right.sendall(b"x")
    until(lambda: has_unread(left))
    left.close()
    assert not has_unread(left)


def test_a_twin_outlives_its_socket_until_the_client_hangs_up(pair: tuple[Any, Any]) -> None:
    left, right = pair
    twin = twin_of(left)
    right.sendall(b"unread")
    left.sendall(b"answer")
    left.close()
    lingering = gevent.spawn(linger, twin)
    assert right.recv(100) == b"answer"
    assert right.recv(100) == b""
    assert not lingering.ready()
    right.close()
    lingering.get(timeout=PATIENCE)
    assert twin.fileno() == -1


def test_only_those_that_are_busy_are_waited_for_to_the_end() -> None:
    http = HTTPConnections()
    http.accepted()
    http["busy"] += 1
    waiting = gevent.spawn(http.finish, gevent.get_hub().loop.now() + 1e9, 0.0)
    gevent.sleep(0.05)
    assert not waiting.ready()
    http["busy"] -= 1
    waiting.get(timeout=PATIENCE)
    http.closed()
    assert not any(http.values())
