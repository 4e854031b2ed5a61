"""gunicorn with gevent-websocket's stock worker, as users start it."""

from __future__ import annotations

import os
import re
import signal
import ssl
from collections.abc import Callable, Iterator
from functools import partial
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fws_gevent.application import build_application
from fws_gevent.errors import ConfigurationError
from fws_gevent.storage.memory import MemoryStorageObject

from .certificates import Identity
from .clients import PATIENCE, ROOT, Client, Command, frame
from .conftest import Connect, Start
from .raw_http import exchange

WORKER = "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"

SITE = """\
from fws_gevent.application import build_application

def page(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<p>Hello"]

app = build_application(page)
"""

Gunicorn = Callable[..., "Running"]


class Running(NamedTuple):
    """A gunicorn whose worker answers."""

    command: Command
    port: int
    tls: bool


def run(
    start: Start, identity: Identity, home: Path, *more: str, tls: bool = False, **environ: str
) -> Running:
    """Start gunicorn on a free port; its module and its control socket are in `home`."""
    (home / "plain_site.py").write_text(SITE)
    path = os.pathsep.join((str(ROOT), str(home)))
    files = ["--keyfile", identity.key, "--certfile", identity.cert] if tls else []
    # A worker that gets the signal while it starts misses it, and gunicorn waits for it.
    command = start(
        "-m", "gunicorn", "-k", WORKER, "-b", "127.0.0.1:0", "--graceful-timeout", "3",
        *files, *more, "plain_site:app",
        environ={"HOME": str(home), "PYTHONPATH": path, **environ},
    )  # fmt: skip
    port = int(command.wait_for(r"Listening at: https?://127\.0\.0\.1:(\d+) ")[1])
    if not tls:  # the node starts with the application's first request
        assert [answer.status for answer in exchange(port, b"no request\r\n\r\n")] == [400]
    return Running(command, port, tls)


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


@pytest.mark.parametrize("early", [b"", frame(1, b"hello")])
def test_a_page_of_another_site_is_closed_with_4403(
    early: bytes, dial: Callable[..., Client]
) -> None:
    client = dial(headers=["Origin: https://other.example"], early=early)
    assert client.frame().close[0] == 4403
    assert client.at_end()


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


@pytest.mark.parametrize(("offered", "agreed"), [("chat", "chat"), ("other", None)])
def test_the_subprotocol_is_negotiated(
    offered: str, agreed: str | None, dial: Callable[..., Client]
) -> None:
    client = dial(headers=[f"Sec-WebSocket-Protocol: {offered}"])
    assert client.header("Sec-WebSocket-Protocol") == agreed


def test_plain_http_is_handled_by_the_application(running: Running) -> None:
    insecure = ssl._create_unverified_context()
    http = (
        HTTPSConnection("127.0.0.1", running.port, timeout=PATIENCE, context=insecure)
        if running.tls
        else HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE)
    )
    try:
        http.request("GET", "/")
        answer = http.getresponse()
        assert (answer.status, answer.headers.get_content_type()) == (200, "text/html")
        assert answer.read()
    finally:
        http.close()


def test_it_logs_its_storage_and_filters_once(
    running: Running, dial: Callable[..., Client]
) -> None:
    dial()
    running.command.wait_for(
        r" storage: memory \(this process only\)\n"
        r".* auth: off, .*\n"
        r".* chain message: fws_gevent\.filters\.broadcast_message_filter\.\w+"
    )
    assert running.command.output.count(" storage: ") == 1
    assert "SEVERAL WORKERS" not in running.command.output


def test_a_connection_over_the_limit_is_closed_with_1013(
    gunicorn: Gunicorn, connect: Connect
) -> None:
    command, port, _ = gunicorn(FWS_MAX_CONNECTIONS="1")
    first, second = connect(port), connect(port)
    assert second.frame().close[0] == 1013
    first.close()
    assert first.frame().close[0] == 1000
    command.wait_for(" close ")
    third = connect(port)
    third.raw(frame(9))
    assert third.frame().opcode == 10


@pytest.mark.parametrize(("tls", "more"), [(False, ["--preload"]), (True, [])])
def test_sigterm_closes_all_clients_and_ends_with_status_0(
    tls: bool, more: list[str], gunicorn: Gunicorn, connect: Connect
) -> None:
    command, port, _ = gunicorn(*more, tls=tls)
    clients = [connect(port, tls=tls) for _ in range(3)]
    clients[0].send("last words")
    assert [each.receive() for each in clients[1:]] == ["last words"] * 2
    command.signal(signal.SIGTERM)
    for client in clients:
        assert client.frame().close == (1001, "the server is shutting down")
        client.close(1001)
        assert client.at_end()
    assert command.wait() == 0
    assert "Traceback" not in command.output
    before, exiting, _ = command.output.partition("Worker exiting")
    assert "stopping: closing 3 connections" in before  # immediately, not when the worker has ended
    assert exiting  # by itself, without SIGKILL


def test_sigterm_without_a_client_ends_with_status_0(gunicorn: Gunicorn) -> None:
    command, _, _ = gunicorn()
    command.signal(signal.SIGTERM)
    assert command.wait() == 0
    assert "Worker exiting" in command.output
    assert "Traceback" not in command.output


def test_several_workers_cause_an_error_line_at_the_start(gunicorn: Gunicorn) -> None:
    command, _, _ = gunicorn("-w", "2", "--graceful-timeout", "1")
    before, found, _ = command.output.partition("SEVERAL WORKERS")
    assert found
    assert "Booting worker" not in before


def test_a_storage_that_is_shared_without_redis_connects_no_workers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(MemoryStorageObject, "shared", True)
    build_application(filters=[])._warn_of_many_workers()
    assert "SEVERAL WORKERS WITHOUT REDIS" in caplog.text


# Invalid arguments.


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("FWS_PROT", "1"),
        ("FWS_PORT", "many"),
        ("FWS_DEFLATE", "perhaps"),
        ("FWS_FILTERS", "no_such_filters"),
        ("FWS_REDIS_URL", "http://localhost"),
        ("FWS_KEY", "key.pem"),
    ],
)
def test_an_invalid_setting_in_the_environment_is_refused_in_one_line(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(ConfigurationError) as caught:
        build_application()
    told = str(caught.value).lower()
    assert name in told.upper() or name[4:].lower() in told or text in told
    assert "\n" not in told


def test_its_arguments_override_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FWS_GRACE", "1")
    monkeypatch.setenv("FWS_MAX_QUEUE", "1000")
    settings = build_application(filters=[], grace=2.0).settings
    assert (settings.grace, settings.max_queue) == (2.0, 1000)


def test_filters_reach_the_application_as_their_server() -> None:
    application = build_application()
    assert application.node.server is application


def test_ending_an_application_that_never_began_does_nothing() -> None:
    build_application(filters=[]).finish()


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
