"""The clock: the one place that asks for the time, and deadlines that follow it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from fws_gevent.clock import SYSTEM_CLOCK
from fws_gevent.filters.base import WebSocketMessageFilter

from .clocks import ShiftedClock
from .conftest import Connect, Serve
from .test_layout import MODULES, imported
from .waiting import until

TIME = {"time", "datetime", "sched"}
"""Modules of the standard library that tell the time."""


@pytest.mark.parametrize("module", [name for name in MODULES if name != "clock"])
def test_no_other_module_asks_for_the_time(module: str) -> None:
    source = MODULES[module].read_text("utf-8")
    assert {name.split(".")[0] for name in imported(module, source, MODULES)}.isdisjoint(TIME)
    # Of gevent's originals one may sleep, in a native thread, but not tell the time.
    assert 'get_original("time"' not in source.replace('get_original("time", "sleep")', "")
    assert "loop.now" not in source


def test_the_systems_clock_tells_the_systems_time() -> None:
    before, seconds, after = time.monotonic(), SYSTEM_CLOCK.monotonic(), time.monotonic()
    assert before <= seconds <= after
    before, seconds, after = time.time(), SYSTEM_CLOCK.wall(), time.time()
    assert before <= seconds <= after


def test_a_sleep_lasts_as_long_as_told() -> None:
    begun = SYSTEM_CLOCK.monotonic()
    SYSTEM_CLOCK.sleep(0.01)
    assert SYSTEM_CLOCK.monotonic() - begun >= 0.01


class Echo(WebSocketMessageFilter):
    """Sends each message back."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any) -> None:
        web_socket_instance.send(data)


def test_the_deadlines_of_a_node_follow_its_clock(serve: Serve, connect: Connect) -> None:
    clock = ShiftedClock()
    server = serve([Echo], {"clock": clock}, ping_interval=600.0, ping_timeout=60.0)
    client = connect(server)
    client.send("hello")
    assert client.receive() == "hello"
    clock.advance(650)
    assert client.frame().opcode == 9  # a ping, of which the client says nothing
    clock.advance(100)
    assert client.at_end()


def test_a_connection_was_open_as_long_as_its_nodes_clock_says(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fws_gevent.access")
    clock = ShiftedClock()
    server = serve([Echo], {"clock": clock}, ping_interval=0.0)
    client = connect(server)
    client.send("hello")
    assert client.receive() == "hello"
    clock.advance(3600)
    client.close(1000)
    assert client.frame().close[0] == 1000
    until(lambda: "close" in [each.__dict__.get("event") for each in caplog.records])
    assert caplog.records[-1].__dict__["seconds"] >= 3600
