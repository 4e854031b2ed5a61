"""The handler of requests: refusals of malformed ones, and plain HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.server import FilteredWebSocketServer

from ..clients import upgrade
from ..conftest import Connect, Serve
from ..raw_http import Answer, exchange, request
from ..waiting import until


class Echo(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.send(data)


class Pages:
    """An application that keeps the paths of its requests."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        self.asked.append(environ["PATH_INFO"])
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]


def wanted(*headers: str, line: str = "GET / HTTP/1.1", without: str = "") -> bytes:
    """Return an upgrade request with another line, more headers, or without a required one."""
    usual = upgrade(80, headers=headers).decode().split("\r\n")[1:]
    return "\r\n".join(
        [line, *(each for each in usual if not without or without not in each)]
    ).encode()


def refusal(server: FilteredWebSocketServer, data: bytes) -> Answer:
    """Return the only answer to `data`; a good request behind it gets none."""
    answers = exchange(server, data + request("GET /second HTTP/1.1", "Connection: close"))
    assert len(answers) == 1, answers
    assert answers[0].headers["connection"].lower() == "close"
    return answers[0]


NONE: dict[str, str] = {}


@pytest.mark.parametrize(
    ("data", "status", "headers"),
    [
        pytest.param(request("GET /"), 400, NONE, id="no version"),
        pytest.param(request("GET  / HTTP/1.1"), 400, NONE, id="two spaces"),
        pytest.param(request("GET / HTTP/1.1 "), 400, NONE, id="a space at the end"),
        pytest.param(request("G@T / HTTP/1.1"), 400, NONE, id="no method"),
        pytest.param(request("GET /\x01 HTTP/1.1"), 400, NONE, id="control character in the path"),
        pytest.param(request("GET / HTTP/2.0"), 505, NONE, id="HTTP/2.0"),
        pytest.param(request("GET / HTTP/0.9"), 505, NONE, id="HTTP/0.9"),
        pytest.param(request("GET / HTTP/1.2"), 505, NONE, id="HTTP/1.2"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, NONE, id="TLS on a plain port"),
        pytest.param(b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400, NONE, id="bare LF, request line"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400, NONE, id="bare LF, header"),
        pytest.param(request(host=None), 400, NONE, id="no Host"),
        pytest.param(request("GET / HTTP/1.1", "Host: other"), 400, NONE, id="two Hosts"),
        pytest.param(request("GET / HTTP/1.1", "nonsense"), 400, NONE, id="no colon"),
        pytest.param(request("GET / HTTP/1.1", "A : b"), 400, NONE, id="a space before the colon"),
        pytest.param(request("GET / HTTP/1.1", "A: b\r\n c"), 400, NONE, id="a folded header"),
        pytest.param(request("GET / HTTP/1.1", "A: b\0"), 400, NONE, id="NUL"),
        pytest.param(request("GET / HTTP/1.1", "A: b\rB: c"), 400, NONE, id="bare CR"),
        pytest.param(
            request("POST / HTTP/1.1", "Content-Length: -1"), 400, NONE, id="negative length"
        ),
        pytest.param(
            request("POST / HTTP/1.1", "Content-Length: 1, 1"), 400, NONE, id="length as a list"
        ),
        pytest.param(
            request("POST / HTTP/1.1", "Content-Length: 1", "Content-Length: 2"),
            400, NONE, id="two lengths",
        ),
        pytest.param(
            request("POST / HTTP/1.1", "Content-Length: 5", "Transfer-Encoding: chunked"),
            400, NONE, id="length beside chunked",
        ),
        pytest.param(
            request("POST / HTTP/1.1", "Transfer-Encoding: gzip, chunked"), 501, NONE, id="coding"
        ),
        pytest.param(request(f"GET /{'x' * 9000} HTTP/1.1"), 414, NONE, id="long target"),
        pytest.param(request("GET / HTTP/1.1", f"A: {'x' * 9000}"), 431, NONE, id="long header"),
        pytest.param(
            request("GET / HTTP/1.1", *(f"A{n}: b" for n in range(100))), 431, NONE, id="101 lines"
        ),
        pytest.param(
            request("GET / HTTP/1.1", *(f"A{n}: {'x' * 8000}" for n in range(9))),
            431, NONE, id="72 KB of headers",
        ),
        pytest.param(wanted("Origin: https://other.example"), 403, NONE, id="Origin"),
        pytest.param(wanted("Origin: null"), 403, NONE, id="Origin null"),
        pytest.param(wanted("Origin: http://127.0.0.1:81"), 403, NONE, id="Origin, other port"),
        pytest.param(wanted(line="POST / HTTP/1.1"), 405, {"allow": "GET"}, id="POST"),
        pytest.param(wanted(line="HEAD / HTTP/1.1"), 405, {"allow": "GET"}, id="HEAD"),
        pytest.param(
            wanted("Sec-WebSocket-Version: 8", without="Version"),
            426, {"sec-websocket-version": "13", "upgrade": "websocket"}, id="version 8",
        ),
        pytest.param(
            wanted(without="Version"),
            426, {"sec-websocket-version": "13", "upgrade": "websocket"}, id="no version at all",
        ),
        pytest.param(wanted(without="-Key"), 400, NONE, id="no key"),
        pytest.param(
            wanted("Sec-WebSocket-Key: c2hvcnQ=", without="-Key"), 400, NONE, id="short key"
        ),
        pytest.param(
            wanted("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 400, NONE, id="two keys"
        ),
        pytest.param(wanted("Content-Length: 3"), 400, NONE, id="an upgrade with a body"),
        pytest.param(
            wanted("Transfer-Encoding: chunked"), 400, NONE, id="an upgrade with a chunked body"
        ),
        pytest.param(wanted("Sec-WebSocket-Protocol: a b"), 400, NONE, id="subprotocol"),
        pytest.param(wanted("Sec-WebSocket-Extensions: =;"), 400, NONE, id="extension"),
    ],
)  # fmt: skip
def test_a_malformed_request_is_refused_and_ends_the_connection(
    data: bytes, status: int, headers: dict[str, str], serve: Serve
) -> None:
    pages = Pages()
    server = serve([Echo], extra={"application": pages})
    answer = refusal(server, data)
    assert answer.status == status
    assert headers.items() <= answer.headers.items()
    assert pages.asked == []
    assert server.live == 0


def test_a_full_server_asks_to_come_back_later(serve: Serve, connect: Connect) -> None:
    server = serve([Echo], max_connections=2)
    first, _ = connect(server), connect(server)
    answer = refusal(server, wanted())
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    first.close()
    until(lambda: server.live == 1)
    client = connect(server)
    client.send("in")
    assert client.receive() == "in"


def test_plain_http_is_answered_by_a_full_server(serve: Serve, connect: Connect) -> None:
    pages = Pages()
    server = serve(max_connections=1, extra={"application": pages})
    connect(server)
    (answer,) = exchange(server, request("GET /page HTTP/1.0"))
    assert (answer.status, pages.asked) == (200, ["/page"])


def test_plain_http_keeps_its_connection_for_requests_and_their_bodies(serve: Serve) -> None:
    pages = Pages()
    server = serve(extra={"application": pages})
    answers = exchange(
        server,
        request("GET /first HTTP/1.1")
        + request("POST /second HTTP/1.1", "Content-Length: 5") + b"hello"
        + request("POST /third HTTP/1.1", "Transfer-Encoding: chunked")
        + b"2\r\nwo\r\n3\r\nrld\r\n0\r\n\r\n"
        + request("GET /last HTTP/1.1", "Connection: close")
        + request("GET /beyond HTTP/1.1"),
    )  # fmt: skip
    assert [answer.body for answer in answers] == [b"", b"hello", b"world", b""]
    assert pages.asked == ["/first", "/second", "/third", "/last"]


@pytest.mark.parametrize(
    ("line", "header", "kept"),
    [
        ("GET / HTTP/1.1", "A: b", True),
        ("GET / HTTP/1.1", "Connection: Close", False),
        ("GET / HTTP/1.1", "Connection: TE, close", False),
        ("GET / HTTP/1.0", "A: b", False),
        ("GET / HTTP/1.0", "Connection: Keep-Alive", True),
    ],
)
def test_the_client_decides_whether_its_connection_is_kept(
    line: str, header: str, kept: bool, serve: Serve
) -> None:
    pages = Pages()
    server = serve(extra={"application": pages})
    second = request("GET /second HTTP/1.1", "Connection: close")
    answers = exchange(server, request(line, header) + second)
    assert len(answers) == len(pages.asked) == (2 if kept else 1)


def test_an_empty_line_before_a_request_is_ignored_and_a_second_is_not(serve: Serve) -> None:
    pages = Pages()
    server = serve(extra={"application": pages})
    answers = exchange(server, 2 * (b"\r\n" + request("GET /page HTTP/1.1")) + b"\r\n\r\n")
    assert [answer.status for answer in answers] == [200, 200, 400]


@pytest.mark.parametrize(
    "data",
    [
        wanted(without="Connection"),
        wanted(without="Upgrade: "),
        wanted(line="GET / HTTP/1.0"),  # which knows no Upgrade (RFC 9110 §7.8)
        request("GET / HTTP/1.1", "Upgrade: websocket2"),
        request("CONNECT localhost:80 HTTP/1.1"),
    ],
)
def test_after_connect_and_upgrades_no_other_request_is_read(data: bytes, serve: Serve) -> None:
    pages = Pages()
    assert refusal(serve(extra={"application": pages}), data).status == 200
    assert len(pages.asked) == 1


def test_an_access_line_names_method_path_and_status_but_no_query(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(extra={"application": Pages()})
    with caplog.at_level(logging.INFO, "fws_gevent.access"):
        exchange(server, request("GET /page?secret=1 HTTP/1.0"))
        exchange(server, wanted("Origin: https://other.example", line="GET /ws?secret=2 HTTP/1.1"))
    assert [record.getMessage() for record in caplog.records] == [
        "http 127.0.0.1 GET /page 200",
        "http 127.0.0.1 GET /ws 403",
    ]
    assert vars(caplog.records[0]).items() >= {
        "event": "http", "peer": "127.0.0.1", "method": "GET", "path": "/page", "status": "200",
    }.items()  # fmt: skip


@pytest.mark.parametrize(
    ("second", "status"),
    [(b"nonsense\r\n\r\n", 400), (request(f"POST /{'x' * 9000} HTTP/1.1"), 414)],
)
def test_the_access_line_of_a_malformed_request_names_no_earlier_one(
    second: bytes, status: int, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(extra={"application": Pages()})
    with caplog.at_level(logging.INFO, "fws_gevent.access"):
        exchange(server, request("GET /first HTTP/1.1") + second)
    assert [record.getMessage() for record in caplog.records] == [
        "http 127.0.0.1 GET /first 200",
        f"http 127.0.0.1 - - {status}",
    ]


def test_an_upgrade_has_no_http_line(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve([Echo])
    with caplog.at_level(logging.INFO, "fws_gevent.access"):
        connect(server, "/chat?secret=1")
        until(lambda: caplog.records)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("open ")
    assert line.endswith(" /chat")
