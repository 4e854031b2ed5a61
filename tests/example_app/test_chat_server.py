"""The example's server, started as its users start it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from websocket import WebSocket, create_connection

from example_app.page import ASSETS

from ..clients import PATIENCE, Command
from ..conftest import Connect, Serve, Start
from ..raw_http import exchange
from .conftest import SCRIPT


@pytest.fixture
def chat(start: Start, tmp_path: Path) -> Command:
    """The server, started in a folder that has nothing to do with it."""
    return start(SCRIPT, "-p", "0", cwd=tmp_path, environ={"PYTHONPATH": ""})


@pytest.fixture
def clients(chat: Command) -> Iterator[list[WebSocket]]:
    """Three connections to it."""
    url = f"ws://127.0.0.1:{chat.port()}/"
    opened = [create_connection(url, timeout=PATIENCE) for _ in range(3)]
    yield opened
    for each in opened:
        each.shutdown()  # type: ignore[no-untyped-call]


def test_everybody_else_gets_what_one_says(clients: list[WebSocket]) -> None:
    ada, *others = clients
    said = json.dumps({"name": "Ada", "text": "hello"})
    ada.send(said)
    assert [each.recv() for each in others] == [said, said]


def test_nobody_gets_an_own_message_back(clients: list[WebSocket]) -> None:
    ada, grace, _ = clients
    ada.send("from Ada")
    assert grace.recv() == "from Ada"
    grace.send("from Grace")
    assert ada.recv() == "from Grace"


def test_it_serves_the_page_beside_the_chat(chat: Command) -> None:
    for path, asset in ASSETS.items():
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        (answer,) = exchange(chat.port(), request)
        assert (answer.status, answer.body) == (200, asset.body)


def test_it_ends_well_when_told_to(chat: Command, connect: Connect) -> None:
    client = connect(chat.port())
    chat.signal()
    assert client.frame().close == (1001, "the server is shutting down")
    client.close(1001)
    assert chat.wait() == 0
    assert "Traceback" not in chat.output


def test_it_runs_as_a_module_too(start: Start, connect: Connect) -> None:
    command = start("-m", "example_app.chat_server", "-p", "0")
    one, two = connect(command.port()), connect(command.port())
    one.send("hello")
    assert two.receive() == "hello"


def test_more_filters_can_join(start: Start, connect: Connect) -> None:
    command = start(SCRIPT, "-p", "0", "-f", "fws_gevent.filters.stdout_messages")
    connect(command.port()).send("hello")
    command.wait_for(r"--MESSAGE--\n\w+ => hello\n")


def test_help_shows_the_flags(start: Start) -> None:
    command = start(SCRIPT, "--help")
    assert command.wait() == 0
    for flag in ("-p PORT", "--port PORT", "--max_queue", "--host", "-f"):
        assert flag in command.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--no_such_flag"], "--no_such_flag"),
        (["-p", "many"], "'many'"),
        (["-p", "{busy}"], "{busy}: Address already in use"),
        (["-f", "no_such_filters"], "no_such_filters"),
        (["-key", "key.pem"], "-cert"),
    ],
)
def test_what_can_not_work_is_told_in_one_line_with_status_2(
    arguments: list[str], says: str, start: Start, serve: Serve
) -> None:
    busy = serve().server_port
    command = start(SCRIPT, "-p", "0", *(each.format(busy=busy) for each in arguments))
    assert command.wait() == 2
    line = re.fullmatch(r"chat_server\.py: error: ([^\n]+)\n", command.output)
    assert line is not None, command.output
    assert says.format(busy=busy) in line[1]
