"""The commands of docs/deployment/README.md do their work."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path

import gevent
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from fws_gevent import FilteredWebSocket
from fws_gevent.server import build_server
from fws_gevent.tokens.keys import MIN_SECRET
from fws_gevent.upgrade.refusals import only_websockets

from .clients import ROOT
from .conftest import Connect, Start
from .flask_sites import flask_app, get
from .test_docs_redis import run
from .test_readme import blocks

TEXT = (ROOT / "docs" / "deployment" / "README.md").read_text("utf-8")
SERVE = [line for line in blocks("sh", TEXT)[0].splitlines() if line.startswith("gunicorn ")]

APPLICATION = """
from flask import Flask

from fws_gevent import FilteredWebSocket

app = Flask(__name__)
fws = FilteredWebSocket(app)
"""


def test_the_secret_is_one_that_is_taken(tmp_path: Path) -> None:
    (command,) = [line for line in "\n".join(blocks("sh", TEXT)).splitlines() if "secrets" in line]
    made = re.fullmatch(r"FWS_SIGNING_KEY=(\w+)\n", run(command, tmp_path, 0))
    assert made is not None
    assert len(made[1]) >= MIN_SECRET


@pytest.mark.parametrize("line", SERVE)
def test_gunicorn_takes_the_commands(line: str, start: Start, tmp_path: Path) -> None:
    (tmp_path / "wsgi.py").write_text(APPLICATION)
    command = start("-m", *line.split(), "--check-config", cwd=tmp_path)
    assert command.wait() == 0, command.output


def test_there_is_a_command_for_each_worker() -> None:
    assert len(SERVE) == 2


def test_below_a_prefix_the_path_of_websockets_is_the_whole_one(connect: Connect) -> None:
    app = flask_app()
    FilteredWebSocket(app)
    mounted = DispatcherMiddleware(only_websockets, {"/app": app})
    server = build_server(Namespace(path="/app/ws"), application=mounted)
    server.start()
    try:
        connect(server, "/app/ws")
        assert get(server, "/app/fws/healthz").body == "ok\n"
    finally:
        with gevent.Timeout(20):
            server.stop(timeout=0.2)
