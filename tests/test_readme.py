"""What the README and the docs say, done word for word."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fws_gevent.errors import CloseCode
from fws_gevent.settings import from_file
from tests.clients import ROOT
from tests.conftest import Connect, Start
from tests.waiting import until

README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The README's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


SHOUT, SERVER, CHAIN, BUS, WSGI = blocks("python")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the README's files."""
    (tmp_path / "shout.py").write_text(SHOUT)
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "wsgi.py").write_text(WSGI)
    (tmp_path / "settings.json").write_text(blocks("json")[0])
    return tmp_path


def _shouts(port: int, connect: Connect) -> None:
    one, two = connect(port), connect(port)
    one.send("hello")
    assert two.receive() == "HELLO"
    one.send("quiet please")
    assert one.receive() == "no"


def test_the_command_line_serves_the_filter_module(
    folder: Path, start: Start, connect: Connect
) -> None:
    line = next(line for block in blocks("sh") for line in block.splitlines() if " -f " in line)
    arguments = line.replace("-p 9000", "-p 0").split()[1:]
    _shouts(start(*arguments, cwd=folder).port(), connect)


def test_the_program_serves_the_same(folder: Path, start: Start, connect: Connect) -> None:
    command = start(
        "-c",
        "import logging, runpy, sys; logging.basicConfig(level='INFO');"
        "sys.argv = ['server.py', '-p', '0']; sys.path.insert(0, '.');"
        "runpy.run_path('server.py', run_name='__main__')",
        cwd=folder,
    )
    _shouts(command.port(), connect)


def test_the_example_of_a_chain_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(CHAIN, "README.md", "exec"), {"__name__": "readme"})
    assert capsys.readouterr().out == "foo\nbar\n"


def test_the_subscriber_hears_a_disconnect(folder: Path, start: Start, connect: Connect) -> None:
    (folder / "listener.py").write_text(BUS)
    command = start("-m", "fws_gevent", "-p", "0", "-f", "listener", cwd=folder)
    client = connect(command.port())
    client.close(1000)
    assert client.frame().opcode == 8
    command.wait_for(r"left with 1000")


def test_the_configuration_is_one(folder: Path) -> None:
    given = from_file(str(folder / "settings.json"))
    assert given["port"] == 9100
    assert set(given) == set(json.loads(blocks("json")[0]))


def test_the_flask_application_answers_beside_the_sockets(folder: Path, start: Start) -> None:
    command = start(
        "-c", "import wsgi; print(type(wsgi.app).__name__, wsgi.app.application)", cwd=folder
    )
    assert command.wait() == 0
    assert "FilteredWebSocketApplication <Flask" in command.output


def test_every_flag_of_the_readme_exists(start: Start) -> None:
    command = start("-m", "fws_gevent", "--help")
    assert command.wait() == 0
    flags = set(re.findall(r"(?<![\w-])--?[a-z_]{2,}\b", README)) - {"--help"}
    until(lambda: "--log_format" in command.output)
    assert {flag for flag in flags if flag not in command.output} <= {"-m"}


def test_the_table_of_close_codes_is_the_catalogue() -> None:
    text = (ROOT / "docs" / "close_codes.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d{4}) \| (.*?) \| (yes|no) \|$", text, re.MULTILINE)
    assert rows == [
        (str(int(code)), code.meaning, "yes" if code.reconnect else "no") for code in CloseCode
    ]
