"""The server of the example, as a program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ..clients import Client
from ..conftest import Serve, Start
from .conftest import SCRIPT, Meet

KEYS = {"SECRET_KEY": "s" * 32, "FWS_SIGNING_KEY": "k" * 32}


def test_it_starts_in_any_folder_and_is_a_chat(start: Start, meet: Meet, tmp_path: Path) -> None:
    chat = start(SCRIPT, "-p", "0", cwd=tmp_path, environ={"PYTHONPATH": ""})
    ada, linus = meet(chat.port(), "Ada"), meet(chat.port(), "Linus")
    ada.say("hello")
    assert linus.hear("said")["text"] == "hello"


def test_it_prints_a_link_to_the_status_page_that_works_once(start: Start, meet: Meet) -> None:
    chat = start(SCRIPT, "-p", "0")
    ada = meet(chat.port(), "Ada")
    link = chat.wait_for(r"http://127\.0\.0\.1:\d+(/fws/status\?ticket=\S+)")[1]
    assert ada.ask("GET", link).status == 303
    assert ada.ask("GET", "/fws/status").status == 200
    ada.cookie = ""
    assert ada.ask("GET", link).status == 401


def test_it_ends_cleanly_on_a_signal(start: Start, meet: Meet) -> None:
    chat = start(SCRIPT, "-p", "0")
    ada = meet(chat.port(), "Ada")
    ada.see("Ada")
    chat.signal()
    client = ada.client
    assert client is not None
    assert client.frame().close == (1001, "the server is shutting down")
    client.close(1001)
    assert chat.wait() == 0
    assert "Traceback" not in chat.output


def test_it_runs_as_a_module_too(start: Start, meet: Meet) -> None:
    meet(start("-m", "example_app.chat_server", "-p", "0").port(), "Ada").see("Ada")


def test_more_filters_can_join(start: Start, meet: Meet) -> None:
    command = start(SCRIPT, "-p", "0", "-f", "fws_gevent.filters.stdout_messages")
    meet(command.port(), "Ada").say("hello")
    command.wait_for(r"--MESSAGE--\n\w+ => \{'type': 'say', 'text': 'hello'\}\n")


def test_a_connection_needs_a_token(start: Start) -> None:
    port = start(SCRIPT, "-p", "0", environ={"FWS_TOKEN_TIMEOUT": "1"}).port()
    client = Client(port, "/ws")
    client.send('{"type": "say", "text": "hello"}')
    assert client.frame().close[0] == 4401
    client.drop()


def test_flags_override_the_application_and_it_overrides_the_environment(start: Start) -> None:
    environ = {"FWS_PATH": "/from-environment", "FWS_AUTH": "off", **KEYS}
    command = start(SCRIPT, "-p", "0", "--path", "/chat", "--log_format", "json", environ=environ)
    port = int(command.wait_for(r"serving on ws://\S+:(\d+)/")[1])
    client = Client(port, "/chat")
    client.send("hello")
    assert client.frame().close[0] == 4401
    client.drop()
    assert all(line.startswith("{") for line in command.output.splitlines())


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
def test_an_error_is_one_line_with_status_2(
    arguments: list[str], says: str, start: Start, serve: Serve
) -> None:
    busy = serve().server_port
    given = (each.format(busy=busy) for each in arguments)
    command = start(SCRIPT, "-p", "0", *given, environ=KEYS)
    assert command.wait() == 2
    line = re.fullmatch(r"chat_server\.py: error: ([^\n]+)\n", command.output)
    assert line is not None, command.output
    assert says.format(busy=busy) in line[1]


def test_other_machines_need_a_signing_key(start: Start) -> None:
    command = start(SCRIPT, "-p", "0", "--host", "0.0.0.0")
    assert command.wait() == 2
    command.wait_for(r"chat_server\.py: error: auth required needs a signing key")
