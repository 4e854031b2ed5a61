"""Threads for filters that compute: their number, their exceptions and their log lines."""

from __future__ import annotations

import threading
from typing import Any

import gevent
import pytest
from gevent.monkey import get_original

from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.loop.offload import Offload
from tests.clients import PATIENCE
from tests.conftest import Connect, Serve
from tests.waiting import until


@pytest.fixture
def offload() -> Offload:
    pool = Offload(threads=2)
    pool.open(gevent.get_hub())
    return pool


def test_a_result_or_an_exception_comes_back(offload: Offload) -> None:
    assert offload.run(lambda one, two: one + two, 1, 2) == 3
    with pytest.raises(ZeroDivisionError):
        offload.run(lambda one, two: one / two, 1, 0)
    assert offload.busy == 0


@pytest.mark.parametrize("error", [SystemExit(3), gevent.GreenletExit(), gevent.Timeout(1)])
def test_an_exception_that_would_end_the_program_comes_back_too(
    offload: Offload, error: BaseException, capfd: pytest.CaptureFixture[str]
) -> None:
    def leave(_instance: Any, _data: Any) -> None:
        raise error

    with pytest.raises(type(error)):
        offload.run(leave, None, None)
    assert offload.run(lambda one, two: one + two, 1, 2) == 3
    assert capfd.readouterr().err == ""


def test_a_pool_without_a_free_thread_is_logged_once(
    offload: Offload, caplog: pytest.LogCaptureFixture
) -> None:
    lock: Any = get_original("_thread", "allocate_lock")()

    def hold(_instance: Any, _data: Any) -> None:
        lock.acquire(True, PATIENCE)
        lock.release()

    for _ in range(2):
        lock.acquire()
        waiting = [gevent.spawn(offload.run, hold, None, None) for _ in range(5)]
        until(lambda: offload.busy == 5)
        lock.release()
        gevent.joinall(waiting, timeout=PATIENCE)
        assert offload.busy == 0
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2  # once for each time
    assert all("--offload_threads" in line and "all 2 threads" in line for line in lines)


def test_a_node_has_as_many_threads_as_the_setting_says(serve: Serve, connect: Connect) -> None:
    running = [0, 0]
    lock = threading.Lock()

    class Count(WebSocketMessageFilter):
        offload = True

        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            with lock:
                running[0] += 1
                running[1] = max(running)
            get_original("time", "sleep")(0.02)
            with lock:
                running[0] -= 1
            web_socket_instance.send("done")

    server = serve([Count], offload_threads=1)
    clients = [connect(server) for _ in range(4)]
    for client in clients:
        client.send("x")
    assert [client.receive() for client in clients] == ["done"] * 4
    assert running == [0, 1]
