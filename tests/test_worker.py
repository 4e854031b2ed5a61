"""gunicorn with our own worker: its parsing, and the application's answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .certificates import Identity
from .clients import Client, Command, frame, upgrade
from .conftest import Connect, Start
from .gunicorns import Running, read_until, run
from .raw_http import read_to_end, request

Gunicorn = Callable[..., Running]

DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="


@pytest.fixture
def gunicorn(start: Start, identity: Identity, tmp_path: Path) -> Gunicorn:
    """Return a function that starts a gunicorn for one test."""
    return partial(run, start, identity, tmp_path)


@pytest.fixture(scope="module", params=["ws", "wss, preloaded"])
def running(
    request: pytest.FixtureRequest, identity: Identity, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """Return a gunicorn for the tests that don't change its state."""
    more = ["--preload"] if "preloaded" in request.param else []
    started: list[Command] = []

    def start(*arguments: str, **more: Any) -> Command:
        started.append(Command(*arguments, **more))
        return started[0]

    try:
        yield run(
            start, identity, tmp_path_factory.mktemp("gunicorn"), *more,
            tls="wss" in request.param, FWS_TRUSTED_PROXIES="127.0.0.1", FWS_SUBPROTOCOLS="chat",
        )  # fmt: skip
    finally:
        for command in started:
            command.end()


@pytest.fixture
def dial(running: Running, connect: Connect) -> Callable[..., Client]:
    """Return a function that opens a client on the running gunicorn."""
    return partial(connect, running.port, tls=running.tls)


def test_a_message_goes_to_all_others(dial: Callable[..., Client]) -> None:
    sender, *others = (dial() for _ in range(3))
    for message in ("hello", b"\x00\xff", "x" * 300_000):
        sender.send(message)
        assert [each.receive() for each in others] == [message, message]
    others[0].send("back")
    assert sender.receive() == "back"


@pytest.mark.parametrize("size", [1, 100_000])
def test_bytes_that_come_with_the_request_are_the_first_message(
    size: int, dial: Callable[..., Client]
) -> None:
    listener = dial()
    listener.raw(frame(9))
    assert listener.frame().opcode == 10  # it got a greeting, so broadcasts reach it
    dial(early=frame(2, b"x" * size) + frame(1, b"and another"))
    assert [listener.receive(), listener.receive()] == [b"x" * size, "and another"]


def test_a_close_is_answered_and_the_socket_closed(dial: Callable[..., Client]) -> None:
    client = dial()
    client.close(4000, "enough")
    assert client.frame().close == (4000, "enough")
    assert client.at_end()


def test_deflate_is_negotiated_and_used(dial: Callable[..., Client]) -> None:
    plain, packed = dial(), dial(headers=[DEFLATE])
    assert plain.header("Sec-WebSocket-Extensions") is None
    assert "permessage-deflate" in (packed.header("Sec-WebSocket-Extensions") or "")
    packed.raw(frame(9))
    assert packed.frame().opcode == 10
    plain.send("hello " * 20)
    got = packed.frame()
    assert got.first == 0xC1  # text, compressed
    assert len(got.payload) < 60


def test_deflate_can_be_switched_off(gunicorn: Gunicorn, connect: Connect) -> None:
    client = connect(gunicorn(FWS_DEFLATE="off").port, headers=[DEFLATE])
    assert client.header("Sec-WebSocket-Extensions") is None


@pytest.mark.parametrize(("offered", "agreed"), [("chat", "chat"), ("other", None)])
def test_the_subprotocol_is_negotiated(
    offered: str, agreed: str | None, dial: Callable[..., Client]
) -> None:
    client = dial(headers=[f"Sec-WebSocket-Protocol: {offered}"])
    assert client.header("Sec-WebSocket-Protocol") == agreed


@pytest.mark.parametrize("early", [b"", frame(1, b"hello")])
@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (upgrade(80, headers=["Origin: https://other.example"]), 403),
        (upgrade(80, headers=[KEY]), 400),
        (upgrade(80, headers=["Sec-WebSocket-Version: 13"]), 400),
        (upgrade(80, headers=["Origin: http://127.0.0.1"] * 2), 400),
        (upgrade(80, headers=["Host: other.example"]), 400),
        (upgrade(80, headers=["Content-Length: 5"]), 400),
        (upgrade(80).replace(b"Host: 127.0.0.1:80\r\n", b""), 400),
        (upgrade(80).replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"), 400),
        (upgrade(80).replace(b"GET", b"POST"), 405),
        (upgrade(80).replace(b"Version: 13", b"Version: 8"), 426),
    ],
)
def test_an_invalid_handshake_is_refused_and_later_bytes_are_not_read(
    asked: bytes, status: int, early: bytes, running: Running
) -> None:
    (answer,) = running.exchange(asked + early)
    assert answer.status == status
    assert answer.headers["connection"] == "close"
    if status == 426:
        assert answer.headers["upgrade"] == "websocket"
        assert answer.headers["sec-websocket-version"] == "13"


def test_a_page_of_the_same_host_is_accepted_also_behind_a_trusted_proxy(
    running: Running, dial: Callable[..., Client]
) -> None:
    for headers in (
        [f"Origin: https://127.0.0.1:{running.port}"],
        ["X-Forwarded-Host: chat.example", "Origin: https://chat.example"],
    ):
        client = dial(headers=headers)
        client.raw(frame(9))
        assert client.frame().opcode == 10


def test_the_client_is_the_one_that_a_trusted_proxy_names(
    running: Running, dial: Callable[..., Client]
) -> None:
    dial("/named", headers=["X-Forwarded-For: 203.0.113.9"])
    running.command.wait_for(r" open [0-9a-f]+ 203\.0\.113\.9:0 /named")


def test_a_connection_serves_http_until_it_becomes_a_websocket(running: Running) -> None:
    with running.open() as client:
        for _ in range(2):
            client.sendall(request("HEAD / HTTP/1.1"))
            assert read_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        client.sendall(upgrade(running.port))
        assert read_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
        client.sendall(frame(9, b"still there?"))
        assert read_until(client, b"there?") == b"\x8a\x0cstill there?"


def test_plain_http_is_handled_by_the_application(running: Running) -> None:
    (answer,) = running.exchange(request("GET / HTTP/1.1", "Connection: close"))
    assert (answer.status, answer.headers["content-type"][:9]) == (200, "text/plai")
    (answer,) = running.exchange(request("GET / HTTP/1.1", "Upgrade: h2c", "Connection: close"))
    assert answer.status == 200


def test_gunicorns_limits_apply_to_upgrades(gunicorn: Gunicorn, connect: Connect) -> None:
    limits = ("--limit-request-line", "100", "--limit-request-fields", "8")
    running = gunicorn(*limits)
    connect(running.port, "/" + "x" * 80)
    (answer,) = running.exchange(upgrade(80, "/" + "x" * 100))
    assert answer.status == 414
    (answer,) = running.exchange(upgrade(80, headers=[f"X-{number}: 1" for number in range(4)]))
    assert answer.status == 431


def test_the_access_log_has_upgrades_and_no_tickets(gunicorn: Gunicorn, connect: Connect) -> None:
    form = '%(s)s "%(r)s" <%(q)s> [%({raw_uri}e)s] {%({query_string}e)s}'
    running = gunicorn("--access-logformat", form, "--log-level", "debug")
    connect(running.port, "/in?a=b&ticket=secret&%74icket=secret")
    other = upgrade(80, "/other?ticket=secret", ["Origin: https://other.example"])
    running.exchange(other)
    running.exchange(request("GET /plain?ticket=secret HTTP/1.1", "Connection: close"))
    running.exchange(request("GET /wrong?ticket=secret HTTP/1.1", "X-Y: \0"))
    query = r"a=b&ticket=-&ticket=-"
    wait_for = running.command.wait_for
    wait_for(rf'101 "GET /in\?{query} HTTP/1.1" <{query}> \[/in\?{query}\] {{{query}}}')
    wait_for(r'403 "GET /other\?ticket=- HTTP/1.1"')
    wait_for(r'\d+ "GET /plain\?ticket=- HTTP/1.1"')
    assert running.command.output.count('101 "') == 1
    assert "secret" not in running.command.output


@pytest.mark.parametrize(
    "limit", [{"FWS_MAX_CONNECTIONS": "2"}, {"more": ("--worker-connections", "2")}]
)
def test_a_connection_over_the_limit_gets_503_and_may_retry(
    limit: dict[str, Any], gunicorn: Gunicorn, connect: Connect
) -> None:
    running = gunicorn(*limit.pop("more", ()), **limit)
    first, _second = connect(running.port), connect(running.port)
    for _ in range(3):
        (answer,) = running.exchange(upgrade(80))
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    (answer,) = running.exchange(request("GET / HTTP/1.1", "Connection: close"))
    assert answer.status == 200
    first.close()
    running.command.wait_for(" close ")
    connect(running.port)


def test_silent_http_connections_make_room_the_longest_silent_first(
    gunicorn: Gunicorn, connect: Connect
) -> None:
    running = gunicorn("--worker-connections", "3", "--keep-alive", "60")
    connect(running.port)
    with running.open() as idle, running.open() as silent:
        idle.sendall(request("HEAD / HTTP/1.1"))
        read_until(idle, b"\r\n\r\n")
        second = connect(running.port)
        assert read_to_end(silent) == b""
        third = connect(running.port)
        assert read_to_end(idle) == b""
    (answer,) = running.exchange(upgrade(80))
    assert answer.status == 503
    for each in (second, third):
        each.raw(frame(9))
        assert each.frame().opcode == 10


CENSUS = """
import gc, json
from collections import Counter
from fws_gevent.filters.base import WebSocketMessageFilter

class Census(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        gc.collect()
        every = (type(each) for each in gc.get_objects())
        kinds = Counter(f"{kind.__module__}.{kind.__name__}" for kind in every)
        web_socket_instance.send(json.dumps(kinds))
"""


@pytest.mark.parametrize("tls", [False, True])
def test_an_open_websocket_keeps_no_http_objects(
    tls: bool, gunicorn: Gunicorn, connect: Connect, tmp_path: Path
) -> None:
    (tmp_path / "census.py").write_text(CENSUS, "utf-8")
    running = gunicorn(tls=tls, FWS_FILTERS="census")

    def census(client: Client) -> dict[str, int]:
        client.send("count")
        kinds: dict[str, int] = json.loads(client.receive())
        return kinds

    first = connect(running.port, tls=tls)
    before = census(first)
    more = [connect(running.port, tls=tls) for _ in range(50)]
    for each in more:
        each.raw(frame(9))
        assert each.frame().opcode == 10
    after = census(first)
    grown = {kind for kind in after if after[kind] - before.get(kind, 0) >= 50}
    assert "fws_gevent.connection.connection.Connection" in grown
    # The objects of a TLS socket; a plain one is only a descriptor.
    secure = {"SSLSocket", "_contextawaresock", "io", "SocketIO", "SecureSocket"} if tls else set()
    for kind in grown:
        module, _, name = kind.rpartition(".")
        assert name in secure or module.partition(".")[0] not in ("gunicorn", "gevent", "_io")
        assert "Upgrade" not in name
        assert "reenlet" not in name


def test_the_address_has_one_form_and_the_path_is_utf8(
    gunicorn: Gunicorn, connect: Connect
) -> None:
    running = gunicorn(FWS_PATH="/gespr%C3%A4ch", FWS_TRUSTED_PROXIES="::ffff:127.0.0.1")
    for forwarded, address in (
        ("203.0.113.7:50001", "203.0.113.7:0"),
        ("[2001:DB8::7]:50001", "[2001:db8::7]:0"),
    ):
        connect(running.port, "/gespr%C3%A4ch", headers=[f"X-Forwarded-For: {forwarded}"])
        running.command.wait_for(rf" open [0-9a-f]+ {re.escape(address)} /gespr")
