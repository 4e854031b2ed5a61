"""The end of gunicorn with our own worker, as its clients notice it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import gevent
import pytest

from ..certificates import Identity
from ..clients import PATIENCE, Client, upgrade
from ..conftest import Connect, Start
from ..gunicorns import SLOW, Running, read_until, run
from ..raw_http import parse, read_to_end, request
from ..waiting import until

Gunicorn = Callable[..., Running]

GOODBYE = (1001, "the server is shutting down")


@pytest.fixture
def gunicorn(start: Start, identity: Identity, tmp_path: Path) -> Gunicorn:
    """Starts a gunicorn of this test's own."""
    return partial(run, start, identity, tmp_path)


def ended_well(running: Running) -> bool:
    """Return whether gunicorn and its workers ended by themselves."""
    status = running.command.wait()
    output = running.command.output
    assert "Traceback" not in output, output
    assert "SIGKILL" not in output, output
    assert output.count("Worker exiting") == len(running.workers()), output
    return status == 0


@pytest.mark.parametrize(("tls", "more"), [(False, ["--preload"]), (True, []), (False, [])])
def test_sigterm_closes_all_clients_and_ends_it_well(
    tls: bool, more: list[str], gunicorn: Gunicorn, connect: Connect
) -> None:
    running = gunicorn(*more, tls=tls)
    clients = [connect(running.port, tls=tls) for _ in range(3)]
    clients[0].send("last words")
    assert [each.receive() for each in clients[1:]] == ["last words"] * 2
    running.command.signal(signal.SIGTERM)
    for client in clients:
        assert client.frame().close == GOODBYE
        client.close(1001)
        assert client.at_end()
    assert ended_well(running)
    assert "stopping: closing 3 connections" in running.command.output
    assert "graceful timeout" not in running.command.output


def test_sys_exit_in_a_greenlet_ends_the_worker_in_order_and_not_gunicorn(
    gunicorn: Gunicorn, connect: Connect, tmp_path: Path
) -> None:
    (tmp_path / "exiting.py").write_text(
        "import gevent, sys\n"
        "from fws_gevent.filters.base import WebSocketMessageFilter\n"
        "class Exit(WebSocketMessageFilter):\n"
        "    @classmethod\n"
        "    def filter(cls, ws, data):\n"
        "        gevent.spawn(sys.exit, 3)\n",
        "utf-8",
    )
    running = gunicorn(FWS_FILTERS="exiting")
    other, client = connect(running.port), connect(running.port)
    client.send("x")
    for each in (other, client):
        assert each.frame().close == GOODBYE
        each.close(1001)
    until(lambda: len(running.workers()) == 2)
    assert "told to exit by the application: 3" in running.command.output
    connect(running.port).send("x")


def test_sigterm_without_a_client_ends_it_well(gunicorn: Gunicorn, connect: Connect) -> None:
    running = gunicorn()
    client = connect(running.port)
    client.close()
    assert client.frame().close[0] == 1000
    running.command.signal(signal.SIGTERM)
    assert ended_well(running)


def test_many_clients_are_all_closed_within_the_time(gunicorn: Gunicorn, connect: Connect) -> None:
    running = gunicorn(FWS_LOG_LEVEL="warning")
    clients = [connect(running.port) for _ in range(200)]
    running.command.signal(signal.SIGTERM)
    for client in clients:
        assert client.frame().close == GOODBYE
        client.close(1001)
    assert ended_well(running)


def test_a_mute_client_does_not_hold_it_past_the_graceful_timeout(
    gunicorn: Gunicorn, connect: Connect
) -> None:
    running = gunicorn(FWS_CLOSE_TIMEOUT="60")
    client = connect(running.port)
    running.command.signal(signal.SIGTERM)
    assert client.frame().close == GOODBYE
    assert ended_well(running)
    assert "didn't answer" in running.command.output


def test_an_idle_http_connection_does_not_hold_it(gunicorn: Gunicorn, connect: Connect) -> None:
    running = gunicorn("--keep-alive", "60", "--graceful-timeout", "15")
    client = connect(running.port)
    with running.open() as idle:
        idle.sendall(request("HEAD / HTTP/1.1"))
        assert read_until(idle, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        running.command.signal(signal.SIGTERM)
        assert client.frame().close == GOODBYE
        client.close(1001)
        assert idle.recv(1) == b""
        assert ended_well(running)
    assert "graceful timeout" not in running.command.output


def test_a_request_that_is_being_answered_is_answered_to_its_end(
    gunicorn: Gunicorn, connect: Connect, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(SLOW, "utf-8")
    running = gunicorn("--graceful-timeout", "15", "slow:app")
    websocket = connect(running.port)
    with running.open() as client:
        client.sendall(request())
        running.command.wait_for("asked")
        running.command.signal(signal.SIGTERM)
        assert websocket.frame().close == GOODBYE
        websocket.close(1001)
        (tmp_path / "slow.go").touch()
        assert read_until(client, b"done").startswith(b"HTTP/1.1 200 ")
    assert ended_well(running)


def test_a_connection_accepted_before_the_end_is_answered_at_once(
    gunicorn: Gunicorn, connect: Connect
) -> None:
    running = gunicorn("--keep-alive", "60", "--graceful-timeout", "15")
    with running.open() as soon, running.open() as late, running.open() as idle:
        idle.sendall(request("HEAD / HTTP/1.1"))
        read_until(idle, b"\r\n\r\n")
        client = connect(running.port)  # so those before it are accepted too
        running.command.signal(signal.SIGTERM)
        soon.sendall(upgrade(running.port))
        assert b"HTTP/1.1 101 " in read_until(soon, GOODBYE[1].encode())
        assert client.frame().close == GOODBYE
        for each in (late, idle):  # it drains by now
            each.sendall(upgrade(running.port))
            (answer,) = parse(read_to_end(each))
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert answer.headers["connection"] == "close"
        client.close(1001)
    assert ended_well(running)


LATE = """
import gevent
from fws_gevent.worker import FilteredWebSocketWorker

class LateWorker(FilteredWebSocketWorker):
    def handle(self, listener, client, address):
        print("accepted", flush=True)
        self._stopping.wait()  # as a greenlet that has its first turn after the end began
        gevent.sleep(0)
        super().handle(listener, client, address)
"""


def test_a_connection_whose_greenlet_starts_after_the_listener_was_closed_is_answered(
    gunicorn: Gunicorn, tmp_path: Path
) -> None:
    (tmp_path / "late_worker.py").write_text(LATE)
    running = gunicorn("-k", "late_worker.LateWorker", "--graceful-timeout", "10")
    with running.open() as client:
        client.sendall(upgrade(running.port))
        running.command.wait_for("accepted")
        running.command.signal(signal.SIGTERM)
        assert read_until(client, GOODBYE[1].encode()).startswith(b"HTTP/1.1 101 ")
    assert ended_well(running)


def test_hup_refuses_no_connection(gunicorn: Gunicorn, connect: Connect) -> None:
    running = gunicorn("--graceful-timeout", "30", "--workers", "2")
    stay = [connect(running.port) for _ in range(20)]
    going, opened = True, 0

    def keep_coming() -> None:
        nonlocal opened
        while going:
            client = Client(running.port)  # raises if it isn't answered 101
            opened += 1
            client.close(1001)
            client.drop()
            gevent.sleep(0.002)

    with gevent.Timeout(4 * PATIENCE):
        load = [gevent.spawn(keep_coming) for _ in range(4)]
        for round_ in (2, 3):
            # One that is told to end while it starts would not hear it.
            await_serving(running, 2 * round_ - 2)
            before = opened
            running.command.signal(signal.SIGHUP)
            for client in stay:
                assert client.frame().close == GOODBYE
                client.close(1001)
            await_workers(running, 2 * round_, 2 * round_ - 2)
            while opened < before + 50:
                gevent.sleep(0.01)
            stay = [connect(running.port) for _ in range(20)]
        await_serving(running, 6)
        going = False
        gevent.joinall(load, raise_error=True)
    running.command.signal(signal.SIGTERM)
    assert ended_well(running)
    assert len(running.workers()) == 6


def await_serving(running: Running, count: int) -> None:
    """Wait until so many workers have had a request."""
    until(lambda: running.command.output.count(" storage: ") == count)


def await_workers(running: Running, begun: int, ended: int) -> None:
    """Wait until so many workers were started, and so many ended."""

    def are_there() -> bool:
        ends = running.command.output.count("Worker exiting")
        return (len(running.workers()), ends) == (begun, ended)

    until(are_there)


def test_max_requests_ends_a_worker_and_another_one_goes_on(
    gunicorn: Gunicorn, connect: Connect
) -> None:
    running = gunicorn("--max-requests", "3")
    for round_ in (1, 2):
        clients = [connect(running.port) for _ in range(3)]
        for client in clients:
            assert client.frame().close == GOODBYE
            client.close(1001)
        await_workers(running, round_ + 1, round_)
    connect(running.port)
    running.command.signal(signal.SIGTERM)
    assert ended_well(running)
    assert len(running.workers()) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_a_quick_end_is_quick_and_has_a_close_all_the_same(
    number: int, gunicorn: Gunicorn, connect: Connect
) -> None:
    running = gunicorn("--graceful-timeout", "60")
    client = connect(running.port)
    running.command.signal(number)
    assert client.frame().close == GOODBYE
    assert client.at_end()
    assert ended_well(running)


def test_a_worker_that_hangs_is_aborted(gunicorn: Gunicorn, tmp_path: Path) -> None:
    stuck = "import gevent.monkey\n" + SLOW.replace(
        "time.sleep(0.01)", 'gevent.monkey.get_original("time", "sleep")(0.01)'
    )
    (tmp_path / "stuck.py").write_text(stuck, "utf-8")
    running = gunicorn("--timeout", "2", "stuck:app")
    with running.open() as client:
        client.sendall(request())
        running.command.wait_for("WORKER TIMEOUT")
        until(lambda: len(running.workers()) == 2)
    running.command.signal(signal.SIGTERM)
    assert running.command.wait() == 0


def test_several_workers_are_warned_of_at_the_start(gunicorn: Gunicorn) -> None:
    running = gunicorn("-w", "2")
    before, found, _ = running.command.output.partition("SEVERAL WORKERS")
    assert found
    assert "Booting worker" not in before


def test_they_are_warned_of_without_our_configuration_too(
    gunicorn: Gunicorn, tmp_path: Path
) -> None:
    empty = tmp_path / "conf.py"
    empty.write_text("")
    running = gunicorn("-w", "2", "-c", str(empty))
    running.command.wait_for("SEVERAL WORKERS")  # no request came yet
