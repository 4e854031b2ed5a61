"""Our gunicorn worker waits for a client as long as `request_timeout` says."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from ..certificates import Identity
from ..clients import Client, Command
from ..conftest import Start
from ..gunicorns import Running, run
from ..raw_http import parse, read_to_end, request

READER = """
import time

from fws_gevent.application import build_application


def read(environ, start_response):
    reader = environ["wsgi.input"]
    try:
        body = {
            "/read": reader.read,
            "/readline": reader.readline,
            "/lines": lambda: b"|".join(reader),
            "/parts": lambda: reader.read(2) + reader.readline(3) + reader.read(None),
            "/none": bytes,
            "/slow": lambda: time.sleep(1.0) or b"slow",
        }[environ["PATH_INFO"].removeprefix("/caught")]()
    except OSError as error:
        if not environ["PATH_INFO"].startswith("/caught"):
            raise
        body = str(error).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


app = build_application(read)
"""


@pytest.fixture(scope="module", params=["0", "60"])
def running(
    request: pytest.FixtureRequest, identity: Identity, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A gunicorn that keeps no connections, or keeps them for long."""
    home = tmp_path_factory.mktemp("gunicorn")
    (home / "reading_site.py").write_text(READER)
    started: list[Command] = []

    def start(*arguments: str, **more: Any) -> Command:
        started.append(Command(*arguments, **more))
        return started[0]

    try:
        running = run(
            start, identity, home, "--keep-alive", request.param, "reading_site:app",
            FWS_REQUEST_TIMEOUT="0.3",
        )  # fmt: skip
        # The worker knows the setting once the application was asked for the first time.
        Client(running.port).drop()
        yield running
        assert "Traceback" not in running.command.output
    finally:
        for command in started:
            command.end()


def post(path: str, *headers: str) -> bytes:
    return request(f"POST {path} HTTP/1.1", "Connection: close", *headers)


@pytest.mark.parametrize(
    "beginning",
    [b"", b"\r\n", b"GET / HT", request()[:-2], post("/none", "Content-Length: 5")[:-2]],
)
def test_a_client_without_a_whole_head_is_dropped(beginning: bytes, running: Running) -> None:
    with running.open() as client:
        client.sendall(beginning)
        assert read_to_end(client) == b""


@pytest.mark.parametrize("path", ["/read", "/lines"])
@pytest.mark.parametrize("headers", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_a_client_without_a_whole_body_is_dropped(
    path: str, headers: str, running: Running
) -> None:
    with running.open() as client:
        client.sendall(post(path, headers) + (b"he" if "Length" in headers else b"5\r\nhe"))
        assert read_to_end(client) == b""


def test_an_application_may_answer_for_a_body_that_stopped(running: Running) -> None:
    with running.open() as client:
        client.sendall(post("/caught/read", "Content-Length: 5") + b"he")
        (answer,) = parse(read_to_end(client))
    assert (answer.status, answer.body) == (200, b"timed out")


@pytest.mark.parametrize("path", ["/read", "/readline", "/lines"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_ends_early_is_not_taken_for_whole(
    path: str, chunked: bool, running: Running
) -> None:
    headers = "Transfer-Encoding: chunked" if chunked else "Content-Length: 5"
    with running.open() as client:
        client.sendall(post(f"/caught{path}", headers) + (b"5\r\nhe" if chunked else b"he"))
        client.shutdown(socket.SHUT_WR)
        answers = parse(read_to_end(client))
    assert all(b"he" not in answer.body for answer in answers)
    if not chunked:
        assert answers[0].body == b"malformed body: it ends early"


def test_an_unread_body_is_not_awaited(running: Running) -> None:
    with running.open() as client:
        client.sendall(request("POST /none HTTP/1.1", "Content-Length: 5") + b"he")
        (answer,) = parse(read_to_end(client))
    assert (answer.status, answer.body) == (200, b"")


def test_an_idle_client_is_dropped(running: Running) -> None:
    with running.open() as client:
        client.sendall(request("GET /none HTTP/1.1"))
        (answer,) = parse(read_to_end(client))
    assert answer.status == 200


def test_an_application_may_take_its_time(running: Running) -> None:
    (answer,) = running.exchange(request("GET /slow HTTP/1.1", "Connection: close"))
    assert (answer.status, answer.body) == (200, b"slow")


LONG = b"x" * 100_000
BODY = b"one\ntwo\n" + LONG + b"\nend"


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("/read", BODY),
        ("/readline", b"one\n"),
        ("/lines", b"|".join(BODY.splitlines(keepends=True))),
        ("/parts", BODY),
        ("/none", b""),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_read_as_of_a_file(
    path: str, read: bytes, chunked: bool, running: Running
) -> None:
    data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY) if chunked else BODY
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(BODY)}"
    (answer,) = running.exchange(post(path, framing) + data)
    assert (answer.status, answer.body) == (200, read)


def test_a_new_connection_may_be_silent_for_longer_than_an_idle_one(
    start: Start, identity: Identity, tmp_path: Path
) -> None:
    running = run(start, identity, tmp_path, "--keep-alive", "1")
    running.exchange(request("GET / HTTP/1.1", "Connection: close"))  # it serves
    with running.open() as client:
        gevent.sleep(1.3)
        client.sendall(request("GET / HTTP/1.1", "Connection: close"))
        assert read_to_end(client).startswith(b"HTTP/1.1 200 ")
