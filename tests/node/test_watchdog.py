"""A filter that blocks the loop is logged by its name."""

from __future__ import annotations

import signal
import sys
from typing import Any

import gevent
import pytest
from gevent.monkey import get_original

from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.node import watchdog
from fws_gevent.node.watchdog import Watchdog, culprit

from ..conftest import Connect, Serve
from ..waiting import until

busy_for = get_original("time", "sleep")
"""Wait without letting any greenlet run, as a computation does."""


class Busy(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        busy_for(0.3)
        web_socket_instance.send("done")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "BEAT", 0.02)
    monkeypatch.setattr(watchdog, "TOO_LONG", 0.1)


def test_a_filter_that_blocks_the_loop_is_logged_with_its_line(
    impatient: None, serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(serve([Busy]))
    client.send("go")
    assert client.receive() == "done"
    until(lambda: f"filter {__name__}.Busy (at {__file__}:" in caplog.text)
    assert "held up everybody" in caplog.text


def test_a_filter_that_waits_or_is_offloaded_does_not_block_the_loop(
    impatient: None, serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    class Waits(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            gevent.sleep(0.3)

    class Offloaded(Busy):
        offload = True

    client = connect(serve([Waits, Offloaded]))
    client.send("go")
    assert client.receive() == "done"
    gevent.sleep(0.05)
    assert f"filter {__name__}" not in caplog.text


def test_other_code_is_logged_by_its_line_alone(
    impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    watching = Watchdog()
    watching.start()
    gevent.sleep(0.05)
    busy_for(0.3)
    until(lambda: f"code outside filters, at {__file__}:" in caplog.text)
    assert "held up everybody" in caplog.text
    watching.stop()


def test_another_handler_of_its_signal_stays(
    impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[int] = []

    def mine(number: int, _frame: object) -> None:
        heard.append(number)

    signal.signal(signal.SIGURG, mine)
    try:
        watching = Watchdog()
        watching.start()
        gevent.sleep(0.05)
        busy_for(0.3)
        until(lambda: "something held up everybody" in caplog.text)
        watching.stop()
        assert signal.getsignal(signal.SIGURG) is mine
    finally:
        signal.signal(signal.SIGURG, signal.SIG_DFL)
    assert not heard


def test_in_another_thread_the_line_has_no_name(
    impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    def serving() -> None:
        watching = Watchdog()
        watching.start()
        gevent.sleep(0.05)
        busy_for(0.3)
        until(lambda: "something held up everybody" in caplog.text)
        watching.stop()
        gevent.get_hub().destroy()

    gevent.get_hub().threadpool.apply(serving)
    assert signal.getsignal(signal.SIGURG) is signal.SIG_DFL


def test_after_its_end_it_logs_nothing(impatient: None, caplog: pytest.LogCaptureFixture) -> None:
    watching = Watchdog()
    watching.start()
    watching.stop()
    watching.stop()
    busy_for(0.3)
    gevent.sleep(0.05)
    assert "held up" not in caplog.text
    assert signal.getsignal(signal.SIGURG) is signal.SIG_DFL


def test_a_frame_outside_any_chain_has_a_line() -> None:
    assert culprit(sys._getframe()).startswith("code outside filters, at ")


def test_the_same_filter_is_logged_three_times_in_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watching = Watchdog()
    for name in ("filter a", "filter b"):
        for _ in range(5):
            watching._seen, watching._beat = name, 0.0
            watching._on_beat()
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(" held")[0] for line in lines] == ["filter a"] * 3 + ["filter b"] * 3
