"""The examples of the README and of the pages for users work as they are printed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from fws_gevent.errors import CloseCode
from fws_gevent.settings import Settings, by_name, table
from fws_gevent.settings.platform import is_of_platform
from fws_gevent.settings.sources import FILE_VARIABLE, from_file
from fws_gevent.tokens import Tokens
from fws_gevent.tokens.keys import KeyRing
from tests.clients import ROOT
from tests.conftest import Connect, Start

README = (ROOT / "README.md").read_text("utf-8")
FILTERS, STANDALONE, TOKENS = (
    (ROOT / "docs" / name).read_text("utf-8")
    for name in ("filters.md", "standalone.md", "tokens.md")
)


def blocks(language: str, text: str = README) -> list[str]:
    """Return the code blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


QUICK, FLASK = blocks("python")
SHOUT, SERVER, REACTOR, WSGI = blocks("python", STANDALONE)
CHAIN, APART, FIXTURE, DATABASE, BUS = blocks("python", FILTERS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files of docs/standalone.md."""
    (tmp_path / "shout.py").write_text(SHOUT)
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "chat_server.py").write_text(REACTOR)
    (tmp_path / "wsgi.py").write_text(WSGI)
    (tmp_path / "settings.json").write_text(blocks("json", STANDALONE)[0])
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
    line = blocks("sh", STANDALONE)[0].strip()
    arguments = line.replace("-p 9000", "-p 0").split()[1:]
    _shouts(start(*arguments, cwd=folder).port(), connect)


def test_a_program_of_filtered_websocket_broadcasts(
    folder: Path, start: Start, connect: Connect
) -> None:
    port = start("chat_server.py", "-p", "0", cwd=folder).port()
    one, two = connect(port), connect(port)
    one.send("hello")
    assert two.receive() == "hello"


def test_the_command_of_the_readme_broadcasts(
    start: Start, connect: Connect, tmp_path: Path
) -> None:
    line = next(line for block in blocks("sh") for line in block.splitlines() if " -f " in line)
    arguments = line.replace("fws_server", "-m fws_gevent -p 0").split()
    port = start(*arguments, cwd=tmp_path).port()
    one, two = connect(port), connect(port)
    one.send("hello")
    assert two.receive() == "hello"


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
    exec(compile(CHAIN, "filters.md", "exec"), {"__name__": "readme"})
    assert capsys.readouterr().out == "foo\nbar\n"


def test_the_example_of_filters_kept_apart_prints_what_it_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    exec(compile(APART, "filters.md", "exec"), {"__name__": "readme"})
    assert capsys.readouterr().out == re.findall(r"# (\[.*\])$", APART, re.MULTILINE)[0] + "\n"


def test_the_fixture_keeps_the_filters_of_each_test_apart(tmp_path: Path, start: Start) -> None:
    lines = [
        "from fws_gevent.filters.base import FilterBase, WebSocketMessageFilter",
        "from fws_gevent.filters.rate_limit import RateLimitFilter",
        *(f"def test_{n}(): assert WebSocketMessageFilter.filters == ()" for n in "ab"),
    ]
    (tmp_path / "test_it.py").write_text(FIXTURE + "\n".join(lines) + "\n")
    command = start("-m", "pytest", "-q", "test_it.py", cwd=tmp_path)
    assert command.wait() == 0, command.output
    assert "2 passed" in command.output


def test_the_subscriber_hears_a_disconnect(folder: Path, start: Start, connect: Connect) -> None:
    (folder / "listener.py").write_text(BUS)
    command = start("-m", "fws_gevent", "-p", "0", "-f", "listener", cwd=folder)
    client = connect(command.port())
    client.close(1000)
    assert client.frame().opcode == 8
    command.wait_for(r"left with 1000")


def test_the_configuration_is_one(folder: Path) -> None:
    given = from_file(by_name(), str(folder / "settings.json"))
    assert given["port"] == 9100
    assert set(given) == set(json.loads(blocks("json", STANDALONE)[0]))


def test_any_other_application_is_one_of_websockets_too(folder: Path, start: Start) -> None:
    command = start(
        "-c", "import wsgi; print(type(wsgi.app).__name__, wsgi.app.application)", cwd=folder
    )
    assert command.wait() == 0
    assert "FilteredWebSocketApplication <function demo_app" in command.output


def test_the_quick_start_sends_each_message_to_all_clients(
    tmp_path: Path, start: Start, connect: Connect
) -> None:
    (tmp_path / "app.py").write_text(QUICK)
    line = next(line for block in blocks("sh") for line in block.splitlines() if "fws run" in line)
    assert line == "flask fws run"
    port = start("-m", *line.split(), "-p", "0", cwd=tmp_path).port()
    page = build_opener().open(f"http://127.0.0.1:{port}/").read().decode()
    assert "new WebSocket(`ws://${location.host}/ws`)" in page
    one, two = connect(port, "/ws"), connect(port, "/ws")
    one.send("hello")
    assert one.receive() == two.receive() == "hello"


def test_the_flask_application_does_what_the_readme_says(
    tmp_path: Path, start: Start, connect: Connect
) -> None:
    (tmp_path / "app.py").write_text(FLASK)
    line = next(line for block in blocks("sh") for line in block.splitlines() if "fws run" in line)
    arguments = line.partition("#")[0].split()
    port = start("-m", *arguments, "-p", "0", cwd=tmp_path).port()
    jar = build_opener(HTTPCookieProcessor())
    for path in ("/login/ada", "/fws/token"):
        answer = jar.open(f"http://127.0.0.1:{port}{path}", data=b"").read()
    token = json.loads(answer)["access_token"]
    offer = f"Sec-WebSocket-Protocol: fws, fws.bearer.{token}"
    client = connect(port, "/ws", headers=[offer])
    assert client.header("Sec-WebSocket-Protocol") == "fws"
    client.send("room:tea hello")
    assert client.receive() == "hello"
    client.send("staff hello")
    assert client.receive() == "Error: 4403 not allowed in group staff"
    jar.open(f"http://127.0.0.1:{port}/tea", data=b"")
    assert client.receive() == "Tea is ready"


def test_the_tokens_page_has_an_application_that_starts(tmp_path: Path, start: Start) -> None:
    application, _ = blocks("python", TOKENS)
    (tmp_path / "app.py").write_text(application)
    command = start("-m", "flask", "--app", "app", "fws", "check", cwd=tmp_path)
    assert command.wait() == 0, command.output
    assert "FWS_AUTH=required" in command.output


def test_a_token_issued_as_the_tokens_page_says_is_valid() -> None:
    _, issuing = blocks("python", TOKENS)
    made: dict[str, str] = {}
    exec(compile(issuing, "tokens.md", "exec"), made)
    settings = Settings(signing_key="the secret of FWS_SIGNING_KEY, 32 bytes or more")
    claims = Tokens(settings, KeyRing.from_settings(settings)).verify(made["token"])
    assert (claims.subject, claims.groups) == ("ada", ("room:lobby",))


def test_every_setting_that_the_docs_name_exists() -> None:
    known = {FILE_VARIABLE, *(f"FWS_{setting.name.upper()}" for setting in table())}
    docs = [README, *(path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.*"))]
    named = {name for text in docs for name in re.findall(r"FWS_[A-Z_]*[A-Z]", text)}
    assert {name for name in named - known if not is_of_platform(name, {name: ""})} == set()


def test_every_flag_of_these_pages_exists(start: Start) -> None:
    helps = (
        start("-m", "fws_gevent", "--help"),
        start("-m", "flask", "fws", "status", "--help"),
        start("-m", "flask", "fws", "publish", "--help"),
    )
    assert [each.wait() for each in helps] == [0, 0, 0]
    flags = set(re.findall(r"(?<![\w-])--?[a-z_]{2,}\b", README + STANDALONE)) - {"--help"}
    known = "".join(each.output for each in helps)
    assert {flag for flag in flags if flag not in known} <= {"-m"}


def test_the_table_of_close_codes_is_the_catalogue() -> None:
    text = (ROOT / "docs" / "close_codes.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d{4}) \| (.*?) \| (yes|no) \|$", text, re.MULTILINE)
    assert rows == [
        (str(int(code)), code.meaning, "yes" if code.reconnect else "no") for code in CloseCode
    ]


def test_the_application_with_a_database_keeps_what_a_client_sends(
    tmp_path: Path, start: Start, connect: Connect
) -> None:
    (tmp_path / "notes.py").write_text(DATABASE)
    command = start("-m", "flask", "--app", "notes", "fws", "run", "-p", "0", cwd=tmp_path)
    client = connect(command.port(), "/ws")
    for count in (1, 2):
        client.send("milk")
        assert client.receive() == f"{count} notes"
