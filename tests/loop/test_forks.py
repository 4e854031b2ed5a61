"""A child that a filter forks: only the parent serves its clients."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.certificates import Identity
from tests.clients import Client, Command
from tests.conftest import Connect, Start, StartRedis
from tests.waiting import until

PROGRAM = """
import multiprocessing, os, signal, subprocess, sys, time
import gevent, gevent.event, gevent.os
from gevent.monkey import get_original
from fws_gevent.filters.base import WebSocketMessageFilter

PARENT = os.getpid()

def rest(path):
    while not os.path.exists(path):
        time.sleep(0.02)

def job(ws, path):
    time.sleep(0)
    said = [ws.send("from the child"), ws.node.users, ws.node.groups]
    ws.close(4000, "from the child")
    ws.broadcast("from the child")
    ran = subprocess.run(["echo", "ran"], capture_output=True, text=True).stdout
    offloaded = gevent.get_hub().threadpool.apply(lambda: "threads")
    sys.stdout.write(f"CHILD {said} {ran.strip()} {offloaded}\\n")  # a whole line at once
    rest(path)
    sys.stdout.write("DONE\\n")

class Fork(WebSocketMessageFilter):
    @classmethod
    def filter(cls, ws, data):
        order, _, rest_of = data.text.partition(" ")
        if order == "fork":
            child = multiprocessing.get_context("fork").Process(target=job, args=(ws, rest_of))
            child.start()
            ws.send(str(child.pid))
        elif order == "run":
            ws.send(subprocess.run(["echo", "ran"], capture_output=True, text=True).stdout)
        elif order == "through":
            pid = os.fork()
            if pid:
                ws.send(str(os.waitpid(pid, 0)[0] == pid))
        elif order in ("exit", "fail", "greenlet"):
            ended = gevent.event.AsyncResult()
            def fork():
                pid = os.fork()
                if pid:
                    ended.set(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                elif order == "fail":
                    raise RuntimeError("the child failed")
                else:
                    sys.exit(3)
            if order == "greenlet":
                gevent.spawn(fork)
            else:
                fork()
            ws.send(str(ended.get()))
        elif order == "quick":
            def fork_that_takes_long():
                pid = gevent.os.fork_gevent()
                if pid:
                    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
                return pid
            pid = gevent.os.fork_and_watch(fork=fork_that_takes_long)
            if not pid:
                os._exit(3)
            ws.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
        elif order == "held":
            held, over = [], []
            def hold():
                with ws.node.reactor._lock:
                    held.append(True)
                    while not over:
                        get_original("time", "sleep")(0.005)
            gevent.get_hub().threadpool.spawn(hold)
            while not held:
                time.sleep(0.005)
            pid = os.fork()
            if not pid:
                ws.broadcast("from the child")
                os._exit(3)
            over.append(True)
            last = gevent.spawn_later(10, os.kill, pid, signal.SIGKILL)
            ws.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
            last.kill()
        elif order == "end":
            os.kill(int(rest_of), signal.SIGTERM)
            ws.send(str(os.WTERMSIG(os.waitpid(int(rest_of), 0)[1])))
        else:
            ws.send("parent" if os.getpid() == PARENT else "child")
"""


IN_THREAD = """
import os, sys, time
from gevent.monkey import get_original
from fws_gevent.filters.base import WebSocketMessageFilter

PARENT = os.getpid()

class Fork(WebSocketMessageFilter):
    offload = True

    @classmethod
    def filter(cls, ws, data):
        order, _, path = data.text.partition(" ")
        if order == "fork":
            pid = get_original("os", "fork")()  # gevent's own is for the loop's thread alone
            if not pid:
                sys.stdout.write(f"CHILD {ws.send('from the child')}\\n")
                while not os.path.exists(path):
                    get_original("time", "sleep")(0.02)
                sys.stdout.write("DONE\\n")
                os._exit(0)
        ws.send("parent" if os.getpid() == PARENT else "child")
"""


@pytest.fixture
def command(tmp_path: Path, start: Start) -> Command:
    (tmp_path / "forking.py").write_text(PROGRAM)
    return start("-m", "fws_gevent", "-p", "0", "-f", "forking", cwd=tmp_path)


def ask(client: Client, text: str) -> str | bytes:
    client.send(text)
    return client.receive()


def fork(command: Command, client: Client, path: Path) -> str:
    """Fork a child that works until there is a file at `path`; return its process id."""
    pid = str(ask(client, f"fork {path}"))
    command.wait_for("CHILD ")
    return pid


def test_only_the_parent_answers_old_and_new_clients(
    tmp_path: Path, command: Command, connect: Connect
) -> None:
    port = command.port()
    old = connect(port)
    fork(command, old, tmp_path / "end")
    for _ in range(20):
        assert ask(old, "who") == "parent"
        assert ask(connect(port), "who") == "parent"
    (tmp_path / "end").touch()
    command.wait_for("DONE")


def test_a_child_does_its_work_and_can_send_nothing_to_clients(
    tmp_path: Path, command: Command, connect: Connect
) -> None:
    client = connect(command.port())
    fork(command, client, tmp_path / "end")
    assert "CHILD [False, {}, {}] ran threads" in command.output
    (tmp_path / "end").touch()
    command.wait_for("DONE")
    assert ask(client, "who") == "parent"  # and nothing before it


def test_a_connection_ends_while_a_child_lives(
    tmp_path: Path, command: Command, connect: Connect
) -> None:
    port = command.port()
    client, other = connect(port), connect(port)
    fork(command, client, tmp_path / "end")
    other.close()
    assert other.frame().close[0] == 1000
    assert other.at_end()
    (tmp_path / "end").touch()
    command.wait_for("DONE")


def test_a_child_has_the_usual_signal_handlers(
    tmp_path: Path, command: Command, connect: Connect
) -> None:
    client = connect(command.port())
    pid = fork(command, client, tmp_path / "end")
    assert ask(client, f"end {pid}") == str(int(signal.SIGTERM))


def test_the_address_is_free_while_a_child_outlives_its_parent(
    tmp_path: Path, command: Command, start: Start, connect: Connect
) -> None:
    port = command.port()
    client = connect(port)
    fork(command, client, tmp_path / "end")
    command.signal(signal.SIGTERM)
    assert client.frame().close[0] == 1001
    again = start("-m", "fws_gevent", "-p", str(port), "-f", "forking", cwd=tmp_path)
    assert again.port() == port
    assert ask(connect(port), "who") == "parent"
    (tmp_path / "end").touch()
    command.wait_for("DONE")


def test_a_child_that_returns_from_the_filter_ends(command: Command, connect: Connect) -> None:
    client = connect(command.port())
    assert ask(client, "through") == "True"
    assert ask(client, "who") == "parent"


@pytest.mark.parametrize(
    ("how", "status", "tracebacks"), [("exit", "3", 0), ("greenlet", "3", 0), ("fail", "1", 1)]
)
def test_a_child_ends_with_the_status_of_its_exception(
    how: str, status: str, tracebacks: int, command: Command, connect: Connect
) -> None:
    client = connect(command.port())
    assert ask(client, how) == status
    until(lambda: command.output.count("Traceback") == tracebacks)
    assert "ERROR" not in command.output
    assert ask(client, "who") == "parent"


def test_the_first_child_is_noticed_although_it_ends_at_once(
    command: Command, connect: Connect
) -> None:
    assert ask(connect(command.port()), "quick") == "3"


def test_a_child_does_not_wait_for_a_thread_that_called_the_loop_at_the_fork(
    command: Command, connect: Connect
) -> None:
    client = connect(command.port())
    assert ask(client, "held") == "3"
    assert ask(client, "who") == "parent"


def test_a_program_that_a_filter_runs_is_not_disturbed(command: Command, connect: Connect) -> None:
    client = connect(command.port())
    for _ in range(3):
        assert ask(client, "run") == "ran\n"


def test_a_child_of_a_thread_serves_no_client_either(
    tmp_path: Path, start: Start, connect: Connect
) -> None:
    (tmp_path / "forking.py").write_text(IN_THREAD)
    command = start("-m", "fws_gevent", "-p", "0", "-f", "forking", cwd=tmp_path)
    port = command.port()
    client = connect(port)
    fork(command, client, tmp_path / "end")
    for _ in range(10):
        assert ask(connect(port), "who") == "parent"
    (tmp_path / "end").touch()
    command.wait_for("DONE")


def test_with_tls_too(tmp_path: Path, start: Start, connect: Connect, identity: Identity) -> None:
    (tmp_path / "forking.py").write_text(PROGRAM)
    command = start(
        "-m", "fws_gevent", "-p", "0", "-f", "forking",
        "-key", identity.key, "-cert", identity.cert, cwd=tmp_path,
    )  # fmt: skip
    port = command.port()
    client = connect(port, tls=True)
    fork(command, client, tmp_path / "end")
    assert ask(client, "who") == "parent"
    (tmp_path / "end").touch()
    command.wait_for("DONE")
    assert ask(client, "who") == "parent"


def test_with_redis_a_child_publishes_over_its_own_connection(
    tmp_path: Path, start: Start, connect: Connect, start_redis: StartRedis
) -> None:
    (tmp_path / "forking.py").write_text(PROGRAM)
    redis = start_redis()
    command = start(
        "-m", "fws_gevent", "-p", "0", "-f", "forking", "--redis_url", redis.url, cwd=tmp_path
    )
    port = command.port()
    client, other = connect(port), connect(port)
    fork(command, client, tmp_path / "end")
    assert other.receive() == "from the child"
    assert ask(client, "who") == "parent"
    (tmp_path / "end").touch()
    command.wait_for("DONE")
    until(lambda: "ERROR" not in command.output)
