"""No log line, page or number shows a secret, whatever error it is part of."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import gevent
import pytest
from werkzeug.security import generate_password_hash

from fws_gevent.cli.command import main
from fws_gevent.errors import ConfigurationError
from fws_gevent.settings import Settings
from fws_gevent.startup.storage import storage_of
from fws_gevent.tokens.keys import KeyRing

from ..certificates import Identity
from ..clients import PATIENCE, ROOT
from ..conftest import Start
from ..gunicorns import run
from ..web.leaks import APPLICATION, CLIENTS, KEY, PASSWORD, Provoker
from ..web.sites import ask, bearer

STOCK = "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"
OURS = "fws_gevent.worker.FilteredWebSocketWorker"

# All that an access log can show of a request and that may have a secret in it.
ACCESS = ("--access-logformat", "ACCESS %(r)s|%(U)s|%(q)s|%(a)s", "--log-level", "debug")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with the application and the file of its clients."""
    (tmp_path / "leaks.py").write_text(APPLICATION)
    (tmp_path / "clients.json").write_text(CLIENTS)
    return tmp_path


@pytest.fixture
def environ(home: Path) -> dict[str, Any]:
    """Return the settings of the application, with all that are secret."""
    return {
        "FWS_AUTH": "required",
        "FWS_SIGNING_KEY": KEY,
        "FWS_ADMIN_PASSWORD": generate_password_hash(PASSWORD),
        "FWS_TOKEN_CLIENTS": str(home / "clients.json"),
        "FWS_TOKEN_RATE": "0",
        "FWS_LOG_LEVEL": "debug",
        "FWS_MAX_MESSAGE_SIZE": "20000",
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(home))),
    }


def shown(output: str, secrets: set[str]) -> list[str]:
    """Return the lines that show a secret."""
    return [line for line in output.splitlines() if any(secret in line for secret in secrets)]


def pages(provoker: Provoker) -> str:
    """Return all pages that the server shows to its operators."""
    token, _ = provoker.token()
    texts = []
    for path in ("status", "status?format=json", "metrics"):
        answer = ask(provoker.port, "GET", f"/fws/{path}", headers={"Authorization": bearer(token)})
        assert answer.status == 200
        texts.append(answer.body.decode())
    return "\n".join(texts)


@pytest.mark.parametrize("form", ["text", "json", "of the application"])
def test_the_command_shows_no_secret(
    form: str, start: Start, home: Path, environ: dict[str, Any]
) -> None:
    if form == "of the application":
        environ["ROOT_LOGS_ALL"] = "1"
    else:
        environ["FWS_LOG_FORMAT"] = form
    command = start("-m", "fws_gevent", "--app", "leaks:app", "-p", "0", cwd=home, environ=environ)
    provoker = Provoker(command.port())
    provoker.secrets.add(environ["FWS_ADMIN_PASSWORD"])
    provoker.all()
    for request in (*provoker.malformed(), *provoker.illegible()):
        provoker.raw(request)
    told = pages(provoker)
    command.signal()
    assert command.wait() == 0
    assert "as told" in command.output  # the errors were logged
    assert "GET /nothing" in command.output or "/nothing" in command.output
    assert shown(command.output, provoker.secrets) == []
    assert shown(told, provoker.secrets) == []


# With gunicorn `illegible` is left out: its parser, and gevent's under the stock worker, quote a
# line that they can't read.


@pytest.mark.parametrize("worker", [OURS, STOCK])
@pytest.mark.parametrize("root", [False, True])
def test_gunicorn_shows_no_secret(
    worker: str,
    root: bool,
    start: Start,
    identity: Identity,
    home: Path,
    environ: dict[str, Any],
) -> None:
    if root:
        environ["ROOT_LOGS_ALL"] = "1"
    found = run(start, identity, home, "-k", worker, *ACCESS, "leaks:app", **environ)
    provoker = Provoker(found.port)
    provoker.secrets.add(environ["FWS_ADMIN_PASSWORD"])
    provoker.all()
    # The parser of the stock worker, which is gevent's, quotes requests that it can't read.
    illegible = () if worker == STOCK else provoker.illegible()
    for request in (*provoker.malformed(), *illegible):
        provoker.raw(request)
    told = pages(provoker)
    found.command.signal()
    found.command.wait()
    output = found.command.output
    assert "as told" in output
    assert worker == STOCK or "ACCESS GET /ws?ticket=- HTTP/1.1|/ws|ticket=-|" in output
    leaks = shown(output, provoker.secrets)
    if root and worker == STOCK:
        # gevent-websocket logs the request lines of what was no WebSocket, where the application
        # has the level "info" shown of all loggers.
        lines = "INFO:geventwebsocket.handler:"
        leaks = [line for line in leaks if not line.startswith(lines) or '" 101 ' in line]
    assert leaks == []
    assert shown(told, provoker.secrets) == []


def test_the_link_alone_is_printed(start: Start, home: Path) -> None:
    (home / "bare.py").write_text(
        "from flask import Flask\nfrom fws_gevent import FilteredWebSocket\n"
        "app = Flask('bare')\nfws = FilteredWebSocket(app)\n"
    )
    arguments = ("--app", "bare:app", "-p", "0", "--log_level", "debug")
    command = start("-m", "fws_gevent", *arguments, cwd=home)
    port = command.port()
    link = command.wait_for(r"this link works once\): http://\S+(/fws/status\?ticket=(\S+))")
    answer = ask(port, "GET", link[1])
    assert answer.status == 303
    cookie = answer.headers["set-cookie"].partition(";")[0]
    for headers in ({"Cookie": cookie}, {}):
        ask(port, "GET", link[1], headers=headers)
    command.signal()
    command.wait()
    assert command.output.count(link[2]) == 1
    assert cookie.partition("=")[2] not in command.output


# Settings that are wrong.

LEAK = "a-secret-LEAKS"


@pytest.mark.parametrize(
    "flags",
    [
        ["--signing_key", LEAK],
        [f"--signing_key={LEAK}"],
        ["--admin_password", LEAK],
        [f"--admin_password={LEAK}"],
        ["--redis_url", f"http://user:{LEAK}@127.0.0.1"],
        [f"--redis_url=redis://user:{LEAK}@127.0.0.1:port"],
    ],
)
def test_a_wrong_flag_is_not_repeated(flags: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert_refused(["-p", "0", *flags], capfd)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIGNING_KEY", LEAK),
        ("SIGNING_KEY", f"-----BEGIN PRIVATE KEY-----\n{LEAK}\n-----END PRIVATE KEY-----"),
        ("ADMIN_PASSWORD", LEAK),
        ("ADMIN_PASSWORD", f"scrypt:{LEAK}"),
        ("REDIS_URL", f"http://user:{LEAK}@127.0.0.1"),
        ("SIGNING_KEYS", LEAK),
        ("ADMIN_PASSWROD", LEAK),
    ],
)
def test_a_wrong_value_is_not_repeated(
    name: str,
    value: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv(f"FWS_{name}", value)
        assert_refused(["-p", "0"], capfd)
    for given in (value, [value], {value: value}):
        path = tmp_path / "config.json"
        path.write_text(json.dumps({name.lower(): given}))
        assert_refused(["-p", "0", "-c", str(path)], capfd)
        with pytest.raises(ConfigurationError) as caught:
            begin_with({f"FWS_{name}": given})
        assert LEAK not in str(caught.value)


def begin_with(config: dict[str, Any]) -> None:
    """Do with a config what the extension of a Flask application does."""
    settings = Settings.load(config)
    storage_of(settings, None)
    KeyRing.from_settings(settings)


def test_a_file_of_keys_or_clients_that_is_wrong_is_not_quoted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file"
    for content in (LEAK, f'{{"billing": {{"secret": "{LEAK}"}}}}', f'["{LEAK}'):
        path.write_text(content)
        assert_refused(["-p", "0", "--token_clients", str(path)], capfd)
    for algorithm in ("HS256", "RS256", "EdDSA"):
        path.write_text(LEAK)
        keys = ["--signing_key_files", f"a={path}", "--signing_algorithm", algorithm]
        assert_refused(["-p", "0", *keys], capfd)


def assert_refused(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, gevent.Timeout(PATIENCE):
        main(arguments)
    assert ended.value.code == 2
    told = capfd.readouterr()
    assert "error: " in told.err
    assert LEAK not in told.out + told.err


def test_the_check_shows_no_secret(start: Start, home: Path, environ: dict[str, Any]) -> None:
    command = start("-m", "flask", "--app", "leaks:app", "fws", "check", cwd=home, environ=environ)
    assert command.wait() == 0
    assert "FWS_SIGNING_KEY=(hidden)" in command.output
    assert "FWS_ADMIN_PASSWORD=(hidden)" in command.output
    secrets = {KEY, PASSWORD, environ["FWS_ADMIN_PASSWORD"]}
    assert shown(command.output, secrets) == []
