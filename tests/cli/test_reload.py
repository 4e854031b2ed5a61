"""SIGHUP reloads the program in the same process, on the same socket, and refuses no connection."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from fws_gevent.cli import reload
from fws_gevent.cli.reload import Reload, _check
from fws_gevent.wsgi import listener

from ..clients import PATIENCE, Command, frame, upgrade
from ..conftest import Connect, Serve, Start
from ..raw_http import read_to_end
from ..waiting import until

FILTER = """
from fws_gevent.filters.base import WebSocketMessageFilter

class Answer(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        web_socket_instance.send("ANSWER")
"""

RESTART = (1012, "the server is restarting")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a module of filters; see `answer_with`."""
    answer_with("before", tmp_path)
    return tmp_path


def answer_with(word: str, folder: Path) -> None:
    """Change the answer of the filter from its next import on."""
    (folder / "my_filters.py").write_text(FILTER.replace("ANSWER", word))
    for compiled in folder.glob("__pycache__/my_filters.*"):
        compiled.unlink()  # two writes in one second may look like one


def run(start: Start, folder: Path, *more: str) -> Command:
    return start("-m", "fws_gevent", "-p", "0", "-f", "my_filters", *more, cwd=folder)


def ask(connect: Connect, port: int) -> str | bytes:
    client = connect(port)
    client.send("?")
    answer = client.receive()
    client.drop()
    return answer


def await_start(command: Command, number: int) -> None:
    """Wait until the command has begun to serve for this time."""
    until(lambda: command.output.count("serving on") == number)


def test_a_reload_keeps_process_and_socket_and_takes_new_filters(
    start: Start, connect: Connect, folder: Path
) -> None:
    command = run(start, folder)
    port = command.port()
    for round_, (old, new) in enumerate((("before", "after"), ("after", "later"))):
        client = connect(port)
        client.send("?")
        assert client.receive() == old
        answer_with(new, folder)
        command.signal(signal.SIGHUP)
        assert client.frame().close == RESTART
        client.close(1012)
        assert ask(connect, port) == new  # a connection now waits until it serves again
        await_start(command, round_ + 2)
    assert command.output.count(f"serving on ws://127.0.0.1:{port}/") == 3
    command.signal()
    assert command.wait() == 0
    assert "Traceback" not in command.output


def test_after_an_error_the_server_goes_on_as_before(
    start: Start, connect: Connect, folder: Path
) -> None:
    command = run(start, folder)
    client = connect(command.port())
    (folder / "my_filters.py").write_text("import nonsense")
    command.signal(signal.SIGHUP)
    command.wait_for(
        r"ERROR +not reloading, going on as before: .*"
        r"can't import filter module my_filters: .*'nonsense'"
    )
    client.send("?")
    assert client.receive() == "before"
    answer_with("after", folder)
    command.signal(signal.SIGHUP)
    assert client.frame().close == RESTART
    client.close(1012)
    assert ask(connect, command.port()) == "after"


def test_a_socket_file_stays_until_the_end(start: Start, folder: Path) -> None:
    path = folder / "fws.sock"
    command = run(start, folder, "--host", f"unix:{path}")
    command.wait_for("serving on")
    made = path.stat().st_ino
    command.signal(signal.SIGHUP)
    await_start(command, 2)
    assert path.stat().st_ino == made
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(str(path))
        client.sendall(upgrade(80) + frame(1, b"?") + frame(8))
        assert b"\x81\x06before" in read_to_end(client)
    command.signal()
    assert command.wait() == 0
    assert not path.exists()


def test_a_stop_during_a_reload_stops_the_server(
    start: Start, connect: Connect, folder: Path
) -> None:
    command = run(start, folder, "--grace", "1", "--close_timeout", "900")
    mute = connect(command.port())
    command.signal(signal.SIGHUP)
    assert mute.frame().close == RESTART
    command.signal(signal.SIGTERM)
    command.wait_for("told to stop")
    assert command.wait() == 0
    assert command.output.count("serving on") == 1


def test_two_requests_reload_once(start: Start, connect: Connect, folder: Path) -> None:
    command = run(start, folder, "--grace", "1", "--close_timeout", "900")
    mute = connect(command.port())
    command.signal(signal.SIGHUP)
    assert mute.frame().close == RESTART
    command.signal(signal.SIGHUP)
    await_start(command, 2)
    assert ask(connect, command.port()) == "before"
    assert command.output.count("reload requested") == 1


def test_printed_text_is_not_lost(start: Start, folder: Path) -> None:
    buffered = "\nimport sys\nsys.stdout = open(1, 'w', closefd=False)\nprint('printed late')\n"
    with (folder / "my_filters.py").open("a") as file:
        file.write(buffered)
    command = run(start, folder)
    command.wait_for("serving on")
    assert "printed late" not in command.output
    command.signal(signal.SIGHUP)
    await_start(command, 2)
    command.wait_for("printed late")


# The check before a reload.


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        ("import sys; assert sys.argv[1:] == ['--check']", ""),
        ("import sys; sys.exit('a warning\\nwhat is wrong\\n')", "what is wrong"),
        ("import sys; sys.exit(5)", "the check ended with status 5"),
    ],
)
def test_the_last_line_of_the_check_is_the_error(
    program: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", program])
    assert _check() == complaint


def test_a_check_that_does_not_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr(reload, "CHECK_TIME", 0.1)
    assert _check() == "the check took over 0.1 s"


# The same in this process, up to the call of execv.


class Begun(Exception):
    """Raised in place of the new program."""


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the arguments of the programs that were started."""
    programs: list[list[str]] = []
    real = os.execv

    def execute(path: str, words: list[str]) -> None:
        if "--check" in words:
            real(path, words)  # in a child process
        programs.append([path, *words])
        raise Begun

    monkeypatch.setattr(os, "execv", execute)
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", "pass"])
    monkeypatch.setattr(listener, "FIRST", os.dup(0))
    for name in ("LISTEN_PID", "LISTEN_FDS"):
        monkeypatch.setenv(name, "")
    return programs


def test_the_same_arguments_and_the_socket_are_passed_on(
    serve: Serve, begun: list[list[str]]
) -> None:
    server = serve()
    port = server.server_port
    reloading = Reload(server)
    reloading.execute()
    assert begun == []
    handled = signal.getsignal(signal.SIGHUP)
    try:
        reloading.request()
        reloading.request()
        with pytest.raises(Begun):
            reloading.execute()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, handled)
    assert begun == [[sys.executable, sys.executable, "-c", "pass"]]
    assert os.environ["LISTEN_PID"] == str(os.getpid())
    inherited = listener.inherited_listener()
    assert inherited.getsockname() == ("127.0.0.1", port)
    inherited.close()
    assert reloading._listener is not None
    os.close(reloading._listener)


@pytest.mark.linux
def test_a_cancelled_reload_leaves_nothing_behind(
    serve: Serve, begun: list[list[str]], tmp_path: Path
) -> None:
    path = tmp_path / "fws.sock"
    reloading = Reload(serve(host=f"unix:{path}"))
    reloading.request()
    assert path.exists()
    passed = Path(f"/proc/self/fd/{reloading._listener}")
    socket_passed = passed.readlink()
    reloading.cancel()
    reloading.execute()
    assert begun == []
    assert not path.exists()
    # gevent closes descriptors in the loop's next turn; another may have the number by then
    until(lambda: not passed.is_symlink() or passed.readlink() != socket_passed)
    os.close(listener.FIRST)


def test_a_server_that_was_stopped_during_the_check_is_not_reloaded(
    serve: Serve, begun: list[list[str]]
) -> None:
    server = serve()
    reloading = Reload(server)
    server.stop()
    reloading.request()
    reloading.execute()
    assert begun == []
    os.close(listener.FIRST)
