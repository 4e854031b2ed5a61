"""A server survives a shortage of descriptors; connections wait meanwhile, and are served later."""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import gevent
import pytest

from fws_gevent.wsgi import accepting
from fws_gevent.wsgi.accepting import PatientStreamServer

from ..clients import PATIENCE, Command
from ..conftest import Start
from ..waiting import until

SERVER = """
from gevent import monkey
monkey.patch_all()
import logging
from fws_gevent.wsgi import accepting

accepting.PAUSE, accepting.CALM = 0.05, 0.5
logging.basicConfig(level="INFO")

class Server(accepting.PatientStreamServer):
    def _pause(self, error):
        super()._pause(error)
        print("paused")

def echo(client, address):
    while data := client.recv(100):
        client.sendall(data)

server = Server(("127.0.0.1", 0), echo)
server.start()
print(f"port {server.server_port}")
server.serve_forever()
"""


def limit(command: Command, more: int) -> None:
    """Let a process open so many descriptors more than it has."""
    pid = command.process.pid
    used = max(int(each.name) for each in Path(f"/proc/{pid}/fd").iterdir()) + 1
    hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + more, hard))


def echoes(client: socket.socket) -> bool:
    client.sendall(b"hello")
    return client.recv(100) == b"hello"


@pytest.mark.linux
def test_connections_during_a_shortage_of_descriptors_are_served_after_it(start: Start) -> None:
    command = start("-c", SERVER)
    port = int(command.wait_for(r"port (\d+)")[1])

    def connect() -> socket.socket:
        return stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))

    with ExitStack() as stack:
        assert echoes(connect())
        limit(command, 2)
        served = [connect() for _ in range(2)]
        assert all(map(echoes, served))
        waiting = [connect() for _ in range(2)]
        for each in waiting:
            each.sendall(b"hello")
        until(lambda: command.output.count("paused") >= 5)
        assert command.output.count("can't accept connections: Too many open files") == 1
        assert "accepting connections again" not in command.output
        assert all(map(echoes, served))
        for each in served:
            each.close()
        assert [each.recv(100) for each in waiting] == [b"hello"] * 2
        command.wait_for("WARNING:fws_gevent.server:accepting connections again")
        assert command.output.count("accepting connections again") == 1
        assert "Traceback" not in command.output


class Kernel:
    """A listening socket whose accept fails, until it has no more errors."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.error: int | None = None
        self.asked = 0

    def _accept(self) -> Any:
        self.asked += 1
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        return self._real._accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PatientStreamServer]:
    monkeypatch.setattr(accepting, "PAUSE", 0.02)
    monkeypatch.setattr(accepting, "CALM", 0.1)
    server = PatientStreamServer(("127.0.0.1", 0), lambda client, address: client.sendall(b"hello"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def kernel(server: PatientStreamServer) -> Kernel:
    kernel = Kernel(server.socket)
    server.socket = kernel  # type: ignore[assignment]
    return kernel


def connected(server: PatientStreamServer) -> Any:
    return closing(socket.create_connection(("127.0.0.1", server.server_port), PATIENCE))


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_accepting_is_tried_again_after_each_kind_of_shortage(
    error: int, server: PatientStreamServer, kernel: Kernel, caplog: pytest.LogCaptureFixture
) -> None:
    kernel.error = error
    with connected(server) as client:
        until(lambda: kernel.asked >= 3)
        kernel.error = None
        assert client.recv(100) == b"hello"
    until(lambda: len(caplog.records) == 2)
    levels = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in levels] == [logging.ERROR, logging.WARNING]
    assert os.strerror(error) in levels[0][1]


def test_it_tries_ever_more_seldom_and_at_once_again_after_a_success(
    server: PatientStreamServer, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "PAUSE", 0.04)
    kernel.error = errno.EMFILE
    with connected(server) as client:
        pauses = []
        for asked in (1, 2, 3, 4):
            until(lambda asked=asked: kernel.asked == asked)  # type: ignore[misc]
            pauses.append(server._next_pause)
        assert pauses == [0.02, 0.04, 0.04, 0.04]
        kernel.error = None
        assert client.recv(100) == b"hello"
    assert server._next_pause == 0.01


def test_it_is_said_again_when_it_happens_again(
    server: PatientStreamServer, kernel: Kernel, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (1, 2):
        kernel.error = errno.EMFILE
        with connected(server) as client:
            until(lambda number=number: len(caplog.records) == 2 * number - 1)  # type: ignore[misc]
            kernel.error = None
            assert client.recv(100) == b"hello"
        until(lambda number=number: len(caplog.records) == 2 * number)  # type: ignore[misc]
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING] * 2


def test_one_descriptor_now_and_then_is_used_at_once_and_is_not_worth_a_line(
    server: PatientStreamServer,
    kernel: Kernel,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accepting, "CALM", 2 * PATIENCE)
    for _ in range(20):
        kernel.error = errno.EMFILE
        before = kernel.asked
        with connected(server) as client:
            until(lambda before=before: kernel.asked > before)  # type: ignore[misc]
            kernel.error = None
            assert client.recv(100) == b"hello"
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_any_other_error_is_gevents(server: PatientStreamServer, kernel: Kernel) -> None:
    kernel.error = errno.ECONNABORTED
    with pytest.raises(ConnectionAbortedError):
        server.do_read()
    assert not server._shortages


def test_no_connection_to_accept_is_not_an_error(
    server: PatientStreamServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert server.do_read() is None
    assert caplog.records == []


def test_a_server_that_was_stopped_meanwhile_accepts_no_more(
    server: PatientStreamServer,
    kernel: Kernel,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    kernel.error = errno.EMFILE
    with connected(server):
        until(lambda: kernel.asked)
        server.stop()
        asked = kernel.asked
        gevent.sleep(2 * accepting.CALM)
        assert kernel.asked == asked
        assert server.closed
    assert len(caplog.records) == 1
    assert capfd.readouterr().err == ""
