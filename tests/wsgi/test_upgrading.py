"""Upgrades: bytes behind the request, the client, and the agreed subprotocol."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from itertools import repeat
from typing import Any

import gevent
import pytest

from fws_gevent.filters.base import WebSocketConnectFilter, WebSocketMessageFilter

from ..certificates import Identity
from ..clients import PATIENCE, Client, frame, upgrade
from ..conftest import Connect, Serve
from ..raw_http import exchange, open_socket, read_to_end, request
from ..waiting import until


class Echo(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.send(data)


class Who(WebSocketConnectFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        host, port = web_socket_instance.remote_address
        told = (host, "a port" if port else port, data["REMOTE_ADDR"], data["wsgi.url_scheme"])
        web_socket_instance.send(" ".join(map(str, (*told, data["HTTP_HOST"]))))


def test_an_upgrade_may_follow_plain_http_on_one_connection(serve: Serve) -> None:
    server = serve([Echo])
    with open_socket(server) as client:
        client.sendall(request() + upgrade(80) + frame(1, b"hello") + frame(8, b"\x03\xe8"))
        received = read_to_end(client)
    first, _, second = received.partition(b"HTTP/1.1 101 ")
    assert first.startswith(b"HTTP/1.1 426 ")
    assert second.endswith(b"\r\n\r\n\x81\x05hello\x88\x02\x03\xe8")


@pytest.mark.parametrize("size", [0, 1, 125, 70_000, 300_000])
@pytest.mark.parametrize("tls", [False, True])
def test_bytes_that_come_with_the_request_are_the_first_message(
    size: int, tls: bool, serve: Serve, connect: Connect, identity: Identity
) -> None:
    server = serve([Echo], **(identity._asdict() if tls else {}))
    client = connect(server, early=frame(2, b"x" * size) + frame(1, b"and another"), tls=tls)
    assert client.receive() == b"x" * size
    assert client.receive() == "and another"


def test_half_a_frame_that_comes_with_the_request_is_completed_later(
    serve: Serve, connect: Connect
) -> None:
    whole = frame(1, b"hello")
    client = connect(serve([Echo]), early=whole[:3])
    client.raw(whole[3:])
    assert client.receive() == "hello"


FORWARDED = (
    "X-Forwarded-For: 198.51.100.9, 203.0.113.7",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: chat.example",
)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("trusted", [("127.0.0.1",), ("127.0.0.0/8",), ("::1", "127.0.0.1")])
def test_a_trusted_proxy_decides_address_scheme_and_host(
    trusted: Sequence[str], tls: bool, serve: Serve, connect: Connect, identity: Identity
) -> None:
    server = serve([Who], trusted_proxies=trusted, **(identity._asdict() if tls else {}))
    headers = (*FORWARDED, "Origin: https://chat.example")
    client = connect(server, headers=headers, tls=tls)
    assert client.receive() == "203.0.113.7 0 203.0.113.7 https chat.example"


def test_on_a_listener_for_both_protocols_an_ipv4_peer_is_the_proxy_that_is_trusted(
    serve: Serve, connect: Connect
) -> None:
    server = serve([Who], host="::", trusted_proxies=("127.0.0.1",))
    client = connect(server, headers=(*FORWARDED, "Origin: https://chat.example"))
    assert client.receive() == "203.0.113.7 0 203.0.113.7 https chat.example"
    own = f"127.0.0.1:{server.server_port}"
    assert connect(server).receive() == f"127.0.0.1 a port 127.0.0.1 http {own}"


@pytest.mark.parametrize("trusted", [(), ("10.0.0.0/8",), ("unix",)])
def test_a_client_cannot_choose_them(
    trusted: Sequence[str], serve: Serve, connect: Connect
) -> None:
    server = serve([Who], trusted_proxies=trusted)
    client = connect(server, headers=FORWARDED)
    own = f"127.0.0.1:{server.server_port}"
    assert client.receive() == f"127.0.0.1 a port 127.0.0.1 http {own}"
    page = (*FORWARDED, "Origin: https://chat.example", "Connection: close")
    (answer,) = exchange(server, upgrade(80, headers=page))
    assert answer.status == 403


class Path(WebSocketConnectFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.send(f"{web_socket_instance.path} {data['PATH_INFO']}")


@pytest.mark.parametrize("setting", ["/gespräch/a%20b", "/gespr%C3%A4ch/a b"])
def test_a_path_is_utf8_and_means_the_same_with_and_without_escapes(
    setting: str, serve: Serve, connect: Connect
) -> None:
    server = serve([Path], path=setting)
    as_wsgi_has_it = "/gespräch/a b".encode().decode("latin-1")
    asked = "/gespr%C3%A4ch/a%20b"
    assert connect(server, asked).receive() == f"/gespräch/a b {as_wsgi_has_it}"
    for other in ("/gespr%E4ch/a%20b", "/gesprach/a%20b", "/gespr%C3%A4ch/a%2520b"):
        (answer,) = exchange(server, upgrade(80, other, ["Connection: close"]))
        assert answer.status == 404


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        ((), "http://127.0.0.1:{port}"),
        (("https://app.example",), "https://app.example"),
        (("https://app.example",), "https://APP.example:443"),
        (("null",), "null"),
        (("*",), "https://anywhere.example"),
    ],
)
def test_pages_of_its_own_host_and_allowed_ones_come_in(
    allowed: Sequence[str], origin: str, serve: Serve, connect: Connect
) -> None:
    server = serve([Echo], allowed_origins=allowed)
    client = connect(server, headers=["Origin: " + origin.format(port=server.server_port)])
    client.send("in")
    assert client.receive() == "in"


@pytest.mark.parametrize(
    ("known", "offered", "chosen"),
    [
        (("chat.v2", "chat.v1"), ["chat.v1, chat.v2"], "chat.v2"),
        (("chat.v2", "chat.v1"), ["chat.v1", "chat.v2"], "chat.v2"),
        (("chat.v2", "chat.v1"), ["chat.v1"], "chat.v1"),
        (("chat.v2",), ["Chat.V2"], None),
        (("chat.v2",), [], None),
        ((), ["chat.v1"], None),
    ],
)
def test_the_first_known_subprotocol_that_is_offered_is_agreed_on(
    known: Sequence[str], offered: list[str], chosen: str | None, serve: Serve, connect: Connect
) -> None:
    told = []

    class Note(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            told.append(web_socket_instance.subprotocol)
            web_socket_instance.send("noted")

    headers = [f"Sec-WebSocket-Protocol: {each}" for each in offered]
    client = connect(serve([Note], subprotocols=known), headers=headers)
    assert client.header("Sec-WebSocket-Protocol") == chosen
    client.send("note it")
    assert (client.receive(), told) == ("noted", [chosen])


@pytest.mark.parametrize(
    ("deflate", "offered", "agreed"),
    [("on", True, True), ("on", False, False), ("off", True, False)],
)
def test_deflate_is_agreed_on_where_both_want_it(
    deflate: str, offered: bool, agreed: bool, serve: Serve, connect: Connect
) -> None:
    headers = ["Sec-WebSocket-Extensions: permessage-deflate"] if offered else []
    client = connect(serve([Echo], deflate=deflate), headers=headers)
    answer = client.header("Sec-WebSocket-Extensions")
    assert (answer is not None and answer.startswith("permessage-deflate")) is agreed
    client.send("x" * 5000)
    assert client.frame().first == (0xC1 if agreed else 0x81)


# Time-outs.


def test_a_client_without_a_request_is_dropped(serve: Serve) -> None:
    with open_socket(serve(request_timeout=0.1)) as client:
        assert read_to_end(client) == b""


def test_a_client_without_a_next_request_is_dropped(serve: Serve) -> None:
    with open_socket(serve(request_timeout=0.2)) as client:
        client.sendall(request())
        assert read_to_end(client).startswith(b"HTTP/1.1 426 ")


@pytest.mark.parametrize("body", ["Content-Length: 10", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("then", ["keep-alive", "close"])
def test_a_client_that_does_not_send_an_unread_body_is_dropped(
    body: str, then: str, serve: Serve
) -> None:
    with open_socket(serve(request_timeout=0.2)) as client:
        client.settimeout(20)
        client.sendall(request("POST / HTTP/1.1", body, f"Connection: {then}"))
        assert read_to_end(client).startswith(b"HTTP/1.1 426 ")


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nA: "])
@pytest.mark.parametrize("before", [b"", request()])
def test_a_client_that_drips_a_request_is_dropped(
    before: bytes, start: bytes, serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    server = serve(request_timeout=0.2)
    with open_socket(server) as client, gevent.Timeout(PATIENCE):
        client.sendall(before + start)
        dripping = gevent.spawn(drip, client)
        assert read_to_end(client).count(b"HTTP/1.1") == bool(before)
        dripping.get()
    until(lambda: not any(server.http.values()))
    assert "Traceback" not in capfd.readouterr().err


def drip(client: socket.socket) -> None:
    """Send a byte now and then until the server hangs up."""
    try:
        for byte in repeat(b"x"):
            client.sendall(byte)
            gevent.sleep(0.02)
    except OSError:
        return


def test_the_time_of_a_request_is_not_that_of_its_answer_or_of_a_websocket(
    serve: Serve, connect: Connect
) -> None:
    def slow(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        gevent.sleep(0.3)
        start_response("200 OK", [])
        return [b"slow"]

    server = serve([Echo], request_timeout=0.1, extra={"application": slow})
    client = connect(server)
    (answer,) = exchange(server, request("GET / HTTP/1.0"))
    assert answer.body == b"slow"
    client.send("still here")
    assert client.receive() == "still here"


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\nHost:", request(), upgrade(80), upgrade(80) + frame(1, b"x")]
)
def test_a_client_that_resets_its_connection_leaves_no_trace(
    data: bytes, serve: Serve, connect: Connect, capfd: pytest.CaptureFixture[str]
) -> None:
    server = serve([Echo])
    for _ in range(10):
        with open_socket(server) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(data)
            gevent.sleep(0)
    other = connect(server)
    other.send("still here")
    assert other.receive() == "still here"
    until(lambda: server.live == 1)
    assert "Traceback" not in capfd.readouterr().err


def test_many_upgrades_at_once_are_all_answered(serve: Serve) -> None:
    server = serve([Echo])
    assert server.server_port
    opening = [gevent.spawn(Client, server.server_port) for _ in range(200)]
    clients = [each.get() for each in opening]
    try:
        server.broadcast("everybody")
        assert {client.receive() for client in clients} == {"everybody"}
    finally:
        for client in clients:
            client.drop()
