"""With --app the command serves a Flask application and its WebSockets."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ..clients import upgrade
from ..conftest import Connect, Start
from ..raw_http import exchange, request
from .test_command import ECHO


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the module `my_filters`, to start in."""
    (tmp_path / "my_filters.py").write_text(ECHO)
    return tmp_path


SITE = """\
from flask import Flask
from fws_gevent import FilteredWebSocket
import my_filters

app = Flask(__name__)
app.config.update(FWS_PORT=0, FWS_MAX_CONNECTIONS=1)
fws = FilteredWebSocket(app)

@app.get("/")
def page():
    return "the page of site_of_mine"

def create_app(name="made"):
    made = Flask(name)
    made.config.update(FWS_PORT=0)
    fws.init_app(made)
    made.add_url_rule("/", view_func=lambda: f"the page of {name}")
    return made
"""


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("site_of_mine", "site_of_mine"),
        ("site_of_mine:app", "site_of_mine"),
        ("site_of_mine:create_app()", "made"),
        ("site_of_mine:create_app('other')", "other"),
    ],
)
def test_it_serves_a_flask_application_as_flask_names_it(
    name: str, made: str, start: Start, folder: Path, connect: Connect
) -> None:
    (folder / "site_of_mine.py").write_text(SITE)
    command = start("-m", "fws_gevent", "--app", name, cwd=folder)
    port = command.port()
    assert connect(port, "/ws").receive() == "welcome"
    (page,) = exchange(port, request("GET / HTTP/1.1", "Connection: close"))
    assert page.body == f"the page of {made}".encode()
    (elsewhere,) = exchange(port, upgrade(port, "/elsewhere"))
    assert elsewhere.status == 404


def test_flags_go_over_app_config_that_over_the_file_and_that_over_the_environment(
    start: Start, folder: Path, connect: Connect
) -> None:
    (folder / "site_of_mine.py").write_text(SITE)
    (folder / "fws.json").write_text(json.dumps({"path": "/file", "max_connections": 5}))
    program = ("-m", "fws_gevent", "--app", "site_of_mine")
    for more, environ, path in (
        ((), {"FWS_PATH": "/environment"}, "/environment"),
        (("-c", "fws.json"), {"FWS_PATH": "/environment"}, "/file"),
        (("-c", "fws.json", "--path", "/flag"), {}, "/flag"),
    ):
        port = start(*program, *more, cwd=folder, environ=environ).port()
        assert connect(port, path).receive() == "welcome"
        (full,) = exchange(port, upgrade(port, path))
        assert full.status == 503  # app.config's one connection is open
    port = start(*program, "--max_connections", "2", cwd=folder).port()
    for _ in range(2):
        connect(port, "/ws").receive()


def test_a_path_of_the_commands_own_is_any_path(start: Start, connect: Connect) -> None:
    port = start("-m", "fws_gevent", "-p", "0").port()
    for path in ("/", "/ws", "/any/where"):
        connect(port, path)
    (answer,) = exchange(port, request("GET /fws/healthz HTTP/1.1", "Connection: close"))
    assert answer.body == b"ok\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--app"], "--app"),
        (["--app", "nowhere"], "--app nowhere: Could not import 'nowhere'"),
        (["--app", "site_of_mine:nothing"], "--app site_of_mine:nothing: "),
        (["--app", "my_filters"], "--app my_filters: "),
        (["--app", "bare"], "--app bare: bare has no WebSockets; add FilteredWebSocket(app)"),
        (["--app", "wrong"], "unknown setting FWS_PROT in app.config; did you mean FWS_PORT?"),
    ],
)
def test_an_application_that_can_not_be_served_is_told_in_one_line(
    arguments: list[str], says: str, start: Start, folder: Path
) -> None:
    (folder / "site_of_mine.py").write_text(SITE)
    (folder / "bare.py").write_text("from flask import Flask\napp = Flask('bare')\n")
    (folder / "wrong.py").write_text(SITE.replace("FWS_PORT", "FWS_PROT"))
    command = start("-m", "fws_gevent", *arguments, cwd=folder)
    assert command.wait() == 2
    assert re.fullmatch(r"fws_server: error: [^\n]+\n", command.output), command.output
    assert says in command.output
