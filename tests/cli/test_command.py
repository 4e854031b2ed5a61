"""The command serves, refuses what can't work, and ends, as a user sees it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ..certificates import Identity
from ..clients import frame, upgrade
from ..conftest import Connect, Serve, Start
from ..waiting import until

ECHO = """\
from fws_gevent.filters.base import WebSocketConnectFilter, WebSocketMessageFilter

class Greet(WebSocketConnectFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        web_socket_instance.send("welcome")

class First(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        data.text = data.text + " and"

class Second(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        web_socket_instance.send(data)
"""

BROADCAST = "fws_gevent.filters.broadcast_message_filter"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the module `my_filters`, to start in."""
    (tmp_path / "my_filters.py").write_text(ECHO)
    return tmp_path


def test_without_filters_named_it_broadcasts_and_prints(start: Start, connect: Connect) -> None:
    command = start("-m", "fws_gevent", "-p", "0")
    one, other = connect(command.port()), connect(command.port())
    one.send("hello")
    assert other.receive() == "hello"
    command.wait_for(r"--MESSAGE--\n\w+ => hello\n")


def test_it_says_where_it_serves_with_which_storage_and_filters(start: Start, folder: Path) -> None:
    command = start("-m", "fws_gevent", "-p", "0", "-f", "my_filters", BROADCAST, cwd=folder)
    link = r"(?:status page .*\n)?"  # not a line of the log: it may stand between any two
    lines = (
        r"serving on ws://127\.0\.0\.1:[1-9]\d*/\n",
        r".* storage: memory \(this process only\)\n",
        r".* auth: off, anybody may connect .*\n",
        r".* chain connect: my_filters\.Greet\n",
        rf".* chain message: my_filters\.First > my_filters\.Second > {BROADCAST}\.\w+\n",
    )
    command.wait_for(link.join(lines))


def test_filters_of_the_current_folder_run_in_the_order_of_their_modules(
    start: Start, connect: Connect, folder: Path
) -> None:
    (folder / "more_filters.py").write_text(ECHO.replace(" and", ", more"))
    command = start("-m", "fws_gevent", "-p", "0", "-f", "more_filters", "my_filters", cwd=folder)
    client = connect(command.port())
    assert [client.receive(), client.receive()] == ["welcome", "welcome"]
    client.send("one")
    assert [client.receive(), client.receive()] == ["one, more", "one, more and"]


def test_it_serves_wss(start: Start, connect: Connect, folder: Path, identity: Identity) -> None:
    command = start(
        "-m", "fws_gevent", "-p", "0", "-key", identity.key, "-cert", identity.cert,
        "-f", "my_filters", cwd=folder,
    )  # fmt: skip
    command.wait_for("serving on wss://")
    client = connect(command.port(), tls=True)
    assert client.receive() == "welcome"


def test_a_file_and_the_environment_configure_it(
    start: Start, connect: Connect, folder: Path
) -> None:
    (folder / "fws.json").write_text(
        json.dumps({"port": 0, "filters": ["my_filters"], "subprotocols": ["chat"]})
    )
    command = start(
        "-m", "fws_gevent", "-c", "fws.json", cwd=folder, environ={"FWS_DEFLATE": "off"}
    )
    headers = ["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: permessage-deflate"]
    client = connect(command.port(), headers=headers)
    assert client.receive() == "welcome"
    assert client.header("Sec-WebSocket-Protocol") == "chat"
    assert client.header("Sec-WebSocket-Extensions") is None


def test_connections_start_with_the_token_of_its_flag(start: Start, connect: Connect) -> None:
    command = start(
        "-m", "fws_gevent", "-p", "0", "-token", "lobby",
        "-f", "fws_gevent.filters.broadcast_messages_by_token",
    )  # fmt: skip
    one, two, away = (connect(command.port()) for _ in range(3))
    away.send("token:elsewhere")
    assert away.receive() == "Successfully registered with broadcast group: elsewhere"
    one.send("to the lobby")
    assert two.receive() == "to the lobby"
    two.send("token:elsewhere")
    two.receive()
    two.send("over here")
    assert away.receive() == "over here"


@pytest.mark.parametrize(
    ("by", "tls"), [(signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGTERM, True)]
)
def test_a_signal_closes_all_clients_and_ends_it_well(
    by: signal.Signals, tls: bool, start: Start, connect: Connect, identity: Identity
) -> None:
    files = ["-key", identity.key, "-cert", identity.cert] if tls else []
    command = start("-m", "fws_gevent", "-p", "0", "-f", BROADCAST, *files)
    clients = [connect(command.port(), tls=tls) for _ in range(3)]
    clients[0].send("last words")
    assert [each.receive() for each in clients[1:]] == ["last words"] * 2
    command.signal(by)
    for client in clients:
        assert client.frame().close == (1001, "the server is shutting down")
        client.close(1001)
    assert command.wait() == 0
    assert "Traceback" not in command.output


def test_a_second_signal_while_it_ends_changes_nothing(start: Start, connect: Connect) -> None:
    command = start("-m", "fws_gevent", "-p", "0", "-f", BROADCAST)
    client = connect(command.port())
    command.signal()
    assert client.frame().close[0] == 1001
    command.signal()
    client.close(1001)
    assert command.wait() == 0


def test_it_ends_within_grace_with_a_mute_client(start: Start, connect: Connect) -> None:
    command = start(
        "-m", "fws_gevent", "-p", "0", "-f", BROADCAST, "--grace", "0.2", "--close_timeout", "900"
    )
    connect(command.port())
    command.wait_for(" open ")
    command.signal()
    assert command.wait() == 0
    command.wait_for("1 connections didn't answer in 0.2 s and were cut off")


def test_every_line_of_a_json_log_is_an_object(start: Start, connect: Connect) -> None:
    command = start("-m", "fws_gevent", "-p", "0", "-f", BROADCAST, "--log_format", "json")
    client = connect(command.port(), "/chat?secret=1")
    client.close()
    command.wait_for('"event": "close"')
    command.signal()
    assert command.wait() == 0
    written = command.output.splitlines()
    told = [line for line in written if line.startswith("{")]
    printed = [line for line in written if line not in told]
    assert len(printed) == 1
    assert printed[0].startswith("status page (this link works once): http://127.0.0.1:")
    lines = [json.loads(line) for line in told]
    assert lines[0]["message"].startswith("serving on ws://")
    events = {line["event"]: line for line in lines if "event" in line}
    assert events["open"]["id"] == events["close"]["id"]
    assert events["close"]["code"] == 1000
    assert "secret" not in command.output


@pytest.mark.parametrize(("level", "told"), [("info", True), ("warning", False)])
def test_the_log_level_leaves_out_lower_levels(
    level: str, told: bool, start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "fws.sock"
    command = start("-m", "fws_gevent", "--host", f"unix:{path}", "--log_level", level)
    with socket.socket(socket.AF_UNIX) as client:
        until(lambda: client.connect_ex(str(path)) == 0)
        client.sendall(upgrade(80) + frame(1, b"hello") + frame(8))
        command.wait_for("=> hello")
    command.signal()
    assert command.wait() == 0
    assert (" INFO " in command.output) is told
    assert not path.exists()


# Errors.


@pytest.mark.parametrize(
    ("arguments", "environ", "says"),
    [
        pytest.param(["--prot", "1"], {}, "--prot", id="flag"),
        pytest.param(["-p", "{busy}"], {}, "{busy}: Address already in use", id="port in use"),
        pytest.param(
            ["--host", "unix:{folder}/a_file"],
            {},
            "a_file: Address already in use",
            id="socket file",
        ),
        pytest.param(["--log_format", "xml"], {}, "xml", id="log format"),
        pytest.param(
            ["-key", "no_key.pem", "-cert", "{cert}"], {}, "no_key.pem: No such file", id="no key"
        ),
        pytest.param(["-key", "{cert}", "-cert", "{cert}"], {}, "-key {cert}", id="wrong key"),
        pytest.param(["-f", "no_such_filters"], {}, "no_such_filters", id="no module"),
        pytest.param(["-f", "failing"], {}, "failing: RuntimeError: first", id="failing module"),
        pytest.param(["-f", "wrong"], {}, "Wrong.filter is not a classmethod", id="wrong filter"),
        pytest.param(["-c", "wrong.json"], {}, "'prot'", id="unknown setting in the file"),
        pytest.param([], {"FWS_PROT": "1"}, "FWS_PROT", id="unknown variable"),
        pytest.param(["--redis_url", "http://localhost"], {}, "redis://", id="Redis"),
    ],
)
def test_an_error_is_one_line_with_status_2(
    arguments: list[str],
    environ: dict[str, str],
    says: str,
    start: Start,
    serve: Serve,
    identity: Identity,
    tmp_path: Path,
) -> None:
    (tmp_path / "a_file").write_text("precious")
    (tmp_path / "wrong.json").write_text('{"prot": 1}')
    (tmp_path / "failing.py").write_text("raise RuntimeError('first\\nsecond')\n")
    (tmp_path / "wrong.py").write_text(
        "from fws_gevent.filters.base import WebSocketMessageFilter\n"
        "class Wrong(WebSocketMessageFilter):\n"
        "    def filter(self, web_socket_instance): pass\n"
    )
    words = {**identity._asdict(), "busy": serve().server_port, "folder": tmp_path}
    given = [each.format(**words) for each in ("-p", "0", *arguments)]
    command = start("-m", "fws_gevent", *given, cwd=tmp_path, environ=environ)
    assert command.wait() == 2
    assert re.fullmatch(r"[^\n]+: error: [^\n]+\n", command.output), command.output
    assert says.format(**words) in command.output
    assert "Traceback" not in command.output


# The check before a start.


def test_valid_settings_are_called_so_and_serve_nothing(
    start: Start, serve: Serve, identity: Identity, folder: Path
) -> None:
    busy = str(serve().server_port)  # perhaps by the server that reloads
    files = ["-key", identity.key, "-cert", identity.cert, "-f", "my_filters"]
    command = start("-m", "fws_gevent", "-p", busy, *files, "--check", cwd=folder)
    assert command.wait() == 0
    assert command.output.splitlines()[-1] == "fws_server: the settings are valid"
    assert "serving on" not in command.output


def test_a_socket_file_that_is_in_use_is_valid_and_left_alone(
    start: Start, serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "fws.sock"
    serve(host=f"unix:{path}")
    made = path.stat().st_ino
    command = start("-m", "fws_gevent", "--host", f"unix:{path}", "--check")
    assert command.wait() == 0
    assert path.stat().st_ino == made


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--prot", "1"], "--prot"),
        (["--connect_rate", "-1"], "--connect_rate: must be 0 or more"),
        (["-f", "broken"], "broken: NameError: "),
        (["-key", "{key}", "-cert", "broken.py"], "-cert broken.py"),
        (["--app", "no_such_site"], "--app no_such_site"),
        (["--auth", "required", "--host", "0.0.0.0"], "FWS_SIGNING_KEY"),
        (["--host", "192.0.2.1"], "can't listen on 192.0.2.1"),
        (["--host", "unix:no_such_folder/fws.sock"], "no_such_folder is not a folder"),
    ],
)
def test_the_check_prints_an_error_in_one_line_with_status_2(
    arguments: list[str], says: str, start: Start, identity: Identity, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text("nonsense")
    given = [each.format(**identity._asdict()) for each in ("--check", *arguments)]
    command = start("-m", "fws_gevent", *given, cwd=tmp_path)
    assert command.wait() == 2
    assert re.fullmatch(r"[^\n]+: error: [^\n]+\n", command.output), command.output
    assert says in command.output


def test_the_script_is_the_command() -> None:
    script = Path(sys.executable).with_name("fws_server")
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
    assert "--max_queue" in done.stdout
