"""A Flask application with middleware, in each of the three ways of serving."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from .clients import PATIENCE, ROOT, Client, Command, upgrade
from .conftest import Connect
from .gunicorns import STOCK, WORKER, read_until
from .raw_http import Answer, parse, read_to_end, request
from .waiting import until

WAYS = {"command": None, "our worker": WORKER, "stock worker": STOCK}

SITE = '''
import json
from base64 import b64encode
from contextvars import ContextVar
from hashlib import sha1

from flask import Flask, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from fws_gevent import FilteredWebSocket
from fws_gevent.filters.base import WebSocketConnectFilter

inner = Flask(__name__)
inner.config.update(
    SECRET_KEY="x", FWS_SUBPROTOCOLS=["chat"], FWS_TRUSTED_PROXIES=["127.0.0.1"],
    FWS_TOKEN_RATE=1, FWS_ALLOWED_ORIGINS=["https://listed.example"],
)
user = ContextVar("user", default="nobody")


class Tell(WebSocketConnectFilter):
    @classmethod
    def filter(cls, ws, environ):
        ws.send(json.dumps({
            "address": [ws.remote_address[0], environ["REMOTE_ADDR"], request.remote_addr],
            "host": request.host, "scheme": request.scheme, "path": ws.path,
            "subprotocol": ws.subprotocol, "user": user.get(),
        }))


FilteredWebSocket(inner)


class Watch:
    """Counts requests and their ends, and keeps the statuses of their answers."""

    def __init__(self, application):
        self.application = application
        self.begun = self.iterated = self.closed = 0
        self.statuses = []

    def __call__(self, environ, start_response):
        self.begun += 1

        def start(status, headers, exc_info=None):
            self.statuses.append(status[:3])
            return start_response(status, headers, exc_info)

        return Answer(self, self.application(environ, start))


class Answer:
    def __init__(self, watch, answer):
        self.watch, self.answer = watch, answer

    def __iter__(self):
        yield from self.answer
        self.watch.iterated += 1

    def close(self):
        self.watch.closed += 1
        if hasattr(self.answer, "close"):
            self.answer.close()


watch = Watch(inner.wsgi_app)
inner.wsgi_app = ProxyFix(watch, x_for=1, x_proto=1, x_host=1)


@inner.get("/seen")
def seen():
    return {"begun": watch.begun - 1, "iterated": watch.iterated, "closed": watch.closed,
            "statuses": watch.statuses}


@inner.get("/be/<name>")
def be(name):
    before = user.get()
    user.set(name)
    return before


@inner.route("/asked", methods=["GET", "POST"])
def asked():
    return {"path": request.path, "host": request.host, "address": request.remote_addr}


@inner.route("/own", websocket=True)
def own():
    web_socket = request.environ.get("wsgi.websocket")
    if web_socket is not None:
        web_socket.send("own")
        web_socket.receive()
        return ""
    sock = request.environ.get("gunicorn.socket") or request.environ["wsgi.input"].rfile.raw._sock
    key = request.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = b64encode(sha1(key.encode()).digest())
    sock.sendall(
        b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
        b"Sec-WebSocket-Accept: " + accept + b"\\r\\n\\r\\n\\x81\\x03own"
    )
    sock.recv(1000)
    return ""


def around(application):
    def wrapped(environ, start_response):
        answer = application(environ, start_response)
        try:
            yield from answer
        finally:
            answer.close()
    return wrapped


app = DispatcherMiddleware(around(inner))
'''


class Site(NamedTuple):
    """A server in one of the ways of serving."""

    way: str
    port: int

    def exchange(self, data: bytes) -> list[Answer]:
        """Send bytes, and read answers until the server closes the connection."""
        with self.open() as client:
            client.sendall(data)
            return parse(read_to_end(client))

    def open(self) -> socket.socket:
        """Return a connection to the server."""
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def seen(self) -> dict[str, Any]:
        """Return the calls that the middleware has seen so far."""
        told: dict[str, Any] = json.loads(self.get("/seen"))
        return told

    def get(self, path: str, **headers: str) -> str:
        """Send a GET, which must succeed."""
        http = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            http.request("GET", path, headers=headers)
            answer = http.getresponse()
            assert answer.status == 200, answer.status
            return answer.read().decode()
        finally:
            http.close()


@pytest.fixture(scope="module", params=WAYS)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Return the site in one way of serving; its first request has been answered."""
    home: Path = tmp_path_factory.mktemp("site")
    (home / "middleware_site.py").write_text(SITE)
    worker = WAYS[request.param]
    environ = {
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(home))),
        "FWS_SIGNING_KEY": "k" * 40,
    }
    app = "middleware_site:app"
    arguments = (
        ("-m", "fws_gevent", "-p", "0", "--app", app)
        if worker is None
        else ("-m", "gunicorn", "-k", worker, "-b", "127.0.0.1:0", app)
    )
    command = Command(*arguments, cwd=home, environ=environ)
    try:
        port = command.wait_for(r"(?:serving on ws|Listening at: http)://127\.0\.0\.1:(\d+)")[1]
        running = Site(request.param, int(port))
        running.get("/asked")
        yield running
    finally:
        command.end()


def told(client: Client) -> dict[str, Any]:
    """Return the text that the connect filter sends."""
    facts: dict[str, Any] = json.loads(client.receive())
    return facts


FORWARDED = (
    "X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: app.example",
)  # fmt: skip


def test_behind_a_trusted_proxy_and_proxyfix_the_client_is_the_proxys(
    site: Site, connect: Connect
) -> None:
    client = connect(site.port, "/ws", headers=[*FORWARDED, "Origin: https://app.example"])
    facts = told(client)
    assert facts["address"] == ["203.0.113.7"] * 3
    assert (facts["host"], facts["scheme"]) == ("app.example", "https")


def test_the_client_depends_on_the_socket_and_not_on_middleware(
    site: Site, connect: Connect
) -> None:
    # For ProxyFix with x_for=1 the client is 127.0.0.1, which is trusted: the entry before it
    # is the address that the client itself has written.
    headers = ["X-Forwarded-For: 198.51.100.1, 203.0.113.7, 127.0.0.1"]
    assert told(connect(site.port, "/ws", headers=headers))["address"][0] == "203.0.113.7"


def test_the_subprotocol_is_negotiated_and_answered(site: Site, connect: Connect) -> None:
    for offered, agreed in (("chat, other", "chat"), ("other", None)):
        client = connect(site.port, "/ws", headers=[f"Sec-WebSocket-Protocol: {offered}"])
        assert client.header("Sec-WebSocket-Protocol") == agreed
        assert told(client)["subprotocol"] == agreed


def test_middleware_sees_the_end_of_each_request_that_became_a_websocket(
    site: Site, connect: Connect
) -> None:
    before = site.seen()
    for _ in range(3):
        told(connect(site.port, "/ws"))

    def all_ended() -> bool:
        seen = site.seen()
        return bool(seen["begun"] == seen["iterated"] == seen["closed"])

    until(all_ended)
    upgrades = site.seen()["statuses"].count("101") - before["statuses"].count("101")
    assert upgrades == (0 if site.way == "command" else 3)


def test_other_websockets_are_handled_by_the_application(site: Site, connect: Connect) -> None:
    client = connect(site.port, "/own")
    assert client.receive() == "own"
    client.close()


def test_a_websocket_at_an_unknown_path_is_refused_by_the_application(
    site: Site, connect: Connect
) -> None:
    if site.way == "stock worker":
        assert connect(site.port, "/nothing").frame().close[0] == 1008
        return
    (answer,) = site.exchange(upgrade(site.port, "/nothing"))
    assert answer.status == 404


def test_the_context_of_a_request_reaches_neither_the_next_one_nor_a_websocket(
    site: Site,
) -> None:
    with site.open() as client:
        client.sendall(request("GET /be/ada HTTP/1.1"))
        assert read_until(client, b"nobody").startswith(b"HTTP/1.1 200 ")
        if site.way != "stock worker":  # gevent's own server, whose requests share a context
            client.sendall(request("GET /be/bob HTTP/1.1"))
            assert read_until(client, b"nobody").startswith(b"HTTP/1.1 200 ")
        client.sendall(upgrade(site.port, "/ws"))
        assert b'"user": "nobody"' in read_until(client, b"}")


@pytest.mark.parametrize("host", ["named.example", "other.example"])
def test_a_target_in_absolute_form_gives_path_and_host(
    host: str, site: Site, connect: Connect
) -> None:
    asked = upgrade(site.port, "http://named.example/ws?x=1").replace(
        f"Host: 127.0.0.1:{site.port}".encode(), f"Host: {host}".encode()
    )
    origin = asked[:-2] + b"Origin: http://named.example\r\n\r\n"
    with site.open() as client:
        client.sendall(origin)
        received = read_until(client, b"}")
    assert received.startswith(b"HTTP/1.1 101 ")
    assert b'"host": "named.example"' in received
    assert b'"path": "/ws"' in received
    page = request("GET http://named.example/asked HTTP/1.1", "Connection: close", host=host)
    (answer,) = site.exchange(page)
    found = json.loads(answer.body)
    assert (found["path"], found["host"]) == ("/asked", "named.example")


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS"])
def test_an_upgrade_by_another_method_is_refused(method: str, site: Site) -> None:
    (answer,) = site.exchange(upgrade(site.port, "/ws").replace(b"GET", method.encode(), 1))
    assert (answer.status, answer.headers["allow"]) == (405, "GET")


def test_an_upgrade_in_http_1_0_is_an_ordinary_request(site: Site) -> None:
    asked = upgrade(site.port, "/asked").replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    with site.open() as client:
        client.sendall(asked)
        received = read_to_end(client)
    status, page = received.split()[1], received.partition(b"\r\n\r\n")[2]
    if site.way == "stock worker":  # gevent-websocket answers before it calls the application
        assert status == b"402"
        return
    assert (status, json.loads(page)["path"]) == (b"200", "/asked")


def test_an_expectation_is_met_before_the_protocol_is_switched(site: Site) -> None:
    with site.open() as client:
        client.sendall(upgrade(site.port, "/ws", ["Expect: 100-continue"]))
        received = read_until(client, b"}")
    statuses = [line.split()[1] for line in received.split(b"\r\n") if line.startswith(b"HTTP/")]
    # gevent-websocket has answered 101 before it calls the application.
    assert statuses == ([b"101"] if site.way == "stock worker" else [b"100", b"101"])


def test_limits_count_the_address_of_the_socket_and_not_that_of_middleware(
    site: Site,
) -> None:
    statuses = []
    for number in range(3):
        # 198.51.100.0/24 is not a proxy here, so ProxyFix names another client each time.
        headers = ["X-Forwarded-For: 203.0.113.9, 127.0.0.1", "Content-Length: 0"]
        data = request(f"POST /fws/token?{number} HTTP/1.1", *headers, "Connection: close")
        (answer,) = site.exchange(data)
        statuses.append(answer.status)
    assert 429 in statuses
