"""SIGHUP: the command begins anew in the same process, on the same socket, and refuses nobody."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from fws_gevent.cli import reload
from fws_gevent.cli.reload import Reload, _complaint
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
    """A folder with a module of filters; see `answer_with`."""
    answer_with("before", tmp_path)
    return tmp_path


def answer_with(word: str, folder: Path) -> None:
    """Have the filter give another answer, once it is imported anew."""
    (folder / "my_filters.py").write_text(FILTER.replace("ANSWER", word))
    for compiled in folder.glob("__pycache__/my_filters.*"):
        compiled.unlink()  # two writes in a second may look like one


def run(start: Start, folder: Path, *more: str) -> Command:
    return start("-m", "fws_gevent", "-p", "0", "-f", "my_filters", *more, cwd=folder)


def ask(connect: Connect, port: int) -> str | bytes:
    client = connect(port)
    client.send("?")
    answer = client.receive()
    client.drop()
    return answer


def await_start(command: Command, number: int) -> None:
    """Wait until it has begun to serve so many times."""
    until(lambda: command.output.count("serving on") == number)


def test_it_has_the_same_process_and_socket_and_what_is_new(
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
        assert ask(connect, port) == new  # who comes now waits until it serves again
        await_start(command, round_ + 2)
    assert command.output.count(f"serving on ws://127.0.0.1:{port}/") == 3
    command.signal()
    assert command.wait() == 0
    assert "Traceback" not in command.output


def test_with_something_wrong_it_goes_on_as_before(
    start: Start, connect: Connect, folder: Path
) -> None:
    command = run(start, folder)
    client = connect(command.port())
    (folder / "my_filters.py").write_text("import nonsense")
    command.signal(signal.SIGHUP)
    command.wait_for(
        r"ERROR +not beginning anew, and going on as before: .*"
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


def test_told_to_stop_meanwhile_it_stops(start: Start, connect: Connect, folder: Path) -> None:
    command = run(start, folder, "--grace", "1", "--close_timeout", "900")
    mute = connect(command.port())
    command.signal(signal.SIGHUP)
    assert mute.frame().close == RESTART
    command.signal(signal.SIGTERM)
    command.wait_for("told to stop")
    assert command.wait() == 0
    assert command.output.count("serving on") == 1


def test_asked_twice_it_begins_anew_once(start: Start, connect: Connect, folder: Path) -> None:
    command = run(start, folder, "--grace", "1", "--close_timeout", "900")
    mute = connect(command.port())
    command.signal(signal.SIGHUP)
    assert mute.frame().close == RESTART
    command.signal(signal.SIGHUP)
    await_start(command, 2)
    assert ask(connect, command.port()) == "before"
    assert command.output.count("told to begin anew") == 1


def test_what_was_printed_is_not_lost(start: Start, folder: Path) -> None:
    buffered = "\nimport sys\nsys.stdout = open(1, 'w', closefd=False)\nprint('printed late')\n"
    with (folder / "my_filters.py").open("a") as file:
        file.write(buffered)
    command = run(start, folder)
    command.wait_for("serving on")
    assert "printed late" not in command.output
    command.signal(signal.SIGHUP)
    await_start(command, 2)
    command.wait_for("printed late")


# What it asks itself before.


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        ("import sys; assert sys.argv[1:] == ['--check']", ""),
        ("import sys; sys.exit('a warning\\nwhat is wrong\\n')", "what is wrong"),
        ("import sys; sys.exit(5)", "the check ended with status 5"),
    ],
)
def test_the_last_line_says_what_is_wrong(
    program: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", program])
    assert _complaint() == complaint


def test_a_check_that_does_not_end_is_a_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr(reload, "CHECK_TIME", 0.1)
    assert _complaint() == "the check took over 0.1 s"


# The same in this process, up to the call that would end it.


class Begun(Exception):
    """The process would be another program by now."""


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What programs were begun, by their words."""
    programs: list[list[str]] = []
    real = os.execv

    def execute(path: str, words: list[str]) -> None:
        if "--check" in words:
            real(path, words)  # in a child
        programs.append([path, *words])
        raise Begun

    monkeypatch.setattr(os, "execv", execute)
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", "pass"])
    monkeypatch.setattr(listener, "FIRST", os.dup(0))
    for name in ("LISTEN_PID", "LISTEN_FDS"):
        monkeypatch.setenv(name, "")
    return programs


def test_the_same_words_begin_it_anew_with_the_socket_passed_on(
    serve: Serve, begun: list[list[str]]
) -> None:
    server = serve()
    port = server.server_port
    reloading = Reload(server)
    reloading.begin_anew()
    assert begun == []  # nobody asked
    minded = signal.getsignal(signal.SIGHUP)
    try:
        reloading.ask()
        reloading.ask()
        with pytest.raises(Begun):
            reloading.begin_anew()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, minded)
    assert begun == [[sys.executable, sys.executable, "-c", "pass"]]
    assert os.environ["LISTEN_PID"] == str(os.getpid())
    inherited = listener.inherited_listener()
    assert inherited.getsockname() == ("127.0.0.1", port)
    inherited.close()
    assert reloading._listener is not None
    os.close(reloading._listener)


@pytest.mark.linux
def test_told_to_stop_it_leaves_nothing_behind(
    serve: Serve, begun: list[list[str]], tmp_path: Path
) -> None:
    path = tmp_path / "fws.sock"
    reloading = Reload(serve(host=f"unix:{path}"))
    reloading.ask()
    assert path.exists()
    passed = Path(f"/proc/self/fd/{reloading._listener}")
    socket_passed = passed.readlink()
    reloading.end()
    reloading.begin_anew()
    assert begun == []
    assert not path.exists()
    # gevent closes descriptors in the loop's next turn; another may have the number by then
    until(lambda: not passed.is_symlink() or passed.readlink() != socket_passed)
    os.close(listener.FIRST)


def test_a_server_that_was_stopped_while_it_was_checked_does_not_begin_anew(
    serve: Serve, begun: list[list[str]]
) -> None:
    server = serve()
    reloading = Reload(server)
    server.stop()
    reloading.ask()
    reloading.begin_anew()
    assert begun == []
    os.close(listener.FIRST)
