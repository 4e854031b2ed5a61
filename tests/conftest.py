"""Fixtures: real servers, in this process and as commands, that end with their test."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

# ruff: noqa: E402 - gevent patches before anything imports socket
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gevent
import pytest

from fws_gevent.filters.base import FilterBase, isolated_filters
from fws_gevent.node import rates
from fws_gevent.node.rates import Bucket
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.settings import Settings

from . import programs
from .certificates import Identity, make_identity
from .clients import Client, Command
from .clocks import ManualClock
from .redis_processes import RedisProcess, memory_folder
from .skipped import pytest_terminal_summary  # noqa: F401 - a hook

Serve = Callable[..., FilteredWebSocketServer]
Connect = Callable[..., Client]
Start = Callable[..., Command]
StartRedis = Callable[..., RedisProcess]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose programs are missing, before its fixtures start."""
    if sys.platform != "linux" and item.get_closest_marker("linux"):
        pytest.skip("it reads /proc; run it on Linux")
    for mark in item.iter_markers("needs"):
        programs.require(*mark.args)


@pytest.fixture
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Freeze the rates, so that none recovers during the test."""
    standing = ManualClock()
    monkeypatch.setattr(rates, "Bucket", lambda rate, burst, _: Bucket(rate, burst, standing))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tuple(os.environ):
        if name.startswith("FWS_"):
            monkeypatch.delenv(name)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that starts a server with filters: serve([Echo], max_queue=100)."""
    servers: list[FilteredWebSocketServer] = []

    def start(
        filters: Sequence[type[FilterBase]] | None = (),
        extra: dict[str, Any] | None = None,
        **settings: Any,
    ) -> FilteredWebSocketServer:
        chosen = Settings(**{"port": 0, "grace": 2.0, **settings})
        server = FilteredWebSocketServer(chosen, filters=filters, **(extra or {}))
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        with gevent.Timeout(20):
            server.stop(timeout=0.2)


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Return a function that opens a client: connect(server, "/path", headers=[...])."""
    clients: list[Client] = []

    def open_one(server: FilteredWebSocketServer | int, path: str = "/", **more: Any) -> Client:
        port = server if isinstance(server, int) else server.server_port
        assert port
        client = Client(port, path, **more)
        clients.append(client)
        return client

    yield open_one
    for client in clients:
        client.drop()


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts a program: start("-m", "fws_gevent", "-p", "0")."""
    commands: list[Command] = []

    def run(*arguments: str, **more: Any) -> Command:
        command = Command(*arguments, **more)
        commands.append(command)
        return command

    yield run
    for command in commands:
        command.end()


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """Return a key and a self-signed certificate, for servers with TLS."""
    return make_identity(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def _own_filters() -> Iterator[None]:
    """Keeps the filters that a test defines apart from those of all other tests."""
    with isolated_filters():
        yield


@pytest.fixture
def start_redis() -> Iterator[StartRedis]:
    """Return a function that starts Redis servers: start_redis(options, persistent=True)."""
    processes: list[RedisProcess] = []

    def start(options: Sequence[str] = (), **more: Any) -> RedisProcess:
        process = RedisProcess(folder / f"redis{len(processes)}", options, **more)
        processes.append(process)
        return process

    with memory_folder() as folder:
        yield start
        for process in processes:
            process.stop()


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisProcess]:
    """Return a Redis for all tests that neither stop nor freeze it; see `redis_server`."""
    with memory_folder() as folder:
        process = RedisProcess(folder)
        yield process
        process.stop()


@pytest.fixture
def redis_server(shared_redis: RedisProcess) -> Iterator[RedisProcess]:
    """Return an empty Redis, for a test that leaves it running."""
    client = shared_redis.client()
    client.flushall()
    client.script_flush()
    yield shared_redis
    client.close()
