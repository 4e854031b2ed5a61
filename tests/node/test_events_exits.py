"""An exception that would end a program, raised in a filter, ends only its connection."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gevent
import pytest

from fws_gevent import signals
from fws_gevent.filters.base import (
    FilterBase,
    WebSocketConnectFilter,
    WebSocketConsumerFilter,
    WebSocketDataFilter,
    WebSocketDisconnectFilter,
    WebSocketGapFilter,
    WebSocketMessageFilter,
)
from tests.conftest import Connect, Serve, Start
from tests.waiting import until

ERRORS = [SystemExit(3), gevent.GreenletExit(), gevent.Timeout(1)]


class Echo(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        if data == "exit":
            sys.exit()
        web_socket_instance.send(data)


def raising(base: type[FilterBase], error: BaseException, **attributes: Any) -> type[FilterBase]:
    def leave(cls: Any, web_socket_instance: Any, data: Any) -> None:
        raise error

    meta: Any = type(base)
    made: type[FilterBase] = meta("Leave", (base,), {"filter": classmethod(leave), **attributes})
    return made


@pytest.mark.parametrize("offload", [False, True])
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    "base", [WebSocketConnectFilter, WebSocketDataFilter, WebSocketMessageFilter]
)
def test_it_closes_that_connection_with_1011_and_is_logged(
    serve: Serve,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    base: Any,
    error: BaseException,
    offload: bool,
) -> None:
    server = serve([raising(base, error, offload=offload)])
    client = connect(server)
    client.send("hello")
    assert client.frame().close == (1011, "a filter failed")
    assert "Leave failed on" in caplog.text
    assert server.started


@pytest.mark.parametrize("error", ERRORS)
def test_it_does_not_end_the_others(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    chains = (WebSocketDisconnectFilter, WebSocketConsumerFilter, WebSocketGapFilter)
    server = serve([*(raising(base, error) for base in chains), Echo])
    one, two = connect(server), connect(server)
    one.close()
    until(lambda: server.node.events.chains["disconnect"].failures.total() == 1)
    server.queue.put("event")
    until(lambda: server.node.events.chains["consumer"].failures.total() == 1)
    server.node.events.gap_route.tell(server, {"group": None, "reason": "test"})
    two.send("exit")
    assert two.frame().close[0] == 1011
    three = connect(server)
    three.send("hello")
    assert three.receive() == "hello"


@pytest.mark.parametrize("error", ERRORS)
def test_a_subscriber_that_exits_is_harmless(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    server = serve([Echo])

    def leave(server: Any, web_socket_instance: Any, data: Any) -> None:
        raise error

    buses = (signals.client_connected, signals.message_received, signals.client_disconnected)
    for bus in buses:
        bus.connect(leave, sender=server, weak=False)
    client = connect(server)
    client.send("hello")
    assert client.receive() == "hello"
    for bus in buses:
        bus.disconnect(leave, sender=server)
    assert "subscriber" in caplog.text


@pytest.mark.parametrize(
    "start_it", ["gevent.spawn(sys.exit, 3)", "gevent.get_hub().loop.run_callback(sys.exit, 3)"]
)
def test_sys_exit_in_a_greenlet_of_a_filters_ends_it_in_order(
    start_it: str, tmp_path: Path, start: Start, connect: Connect
) -> None:
    (tmp_path / "exiting.py").write_text(
        "import gevent, sys\n"
        "from fws_gevent.filters.base import WebSocketMessageFilter\n"
        "class Exit(WebSocketMessageFilter):\n"
        "    @classmethod\n"
        "    def filter(cls, ws, data):\n"
        f"        {start_it}\n"
    )
    command = start("-m", "fws_gevent", "-p", "0", "-f", "exiting", cwd=tmp_path)
    port = command.port()
    other, client = connect(port), connect(port)
    client.send("x")
    for each in (other, client):
        assert each.frame().close[0] == 1001
        each.close(1001)
    assert command.wait() == 3


def test_ctrl_c_in_the_middle_of_a_filter_ends_it_in_order(
    tmp_path: Path, start: Start, connect: Connect
) -> None:
    (tmp_path / "interrupting.py").write_text(
        "from fws_gevent.filters.base import WebSocketMessageFilter\n"
        "class Interrupt(WebSocketMessageFilter):\n"
        "    @classmethod\n"
        "    def filter(cls, ws, data):\n"
        "        raise KeyboardInterrupt\n"
    )
    command = start("-m", "fws_gevent", "-p", "0", "-f", "interrupting", cwd=tmp_path)
    port = command.port()
    other, client = connect(port), connect(port)
    client.send("x")
    assert other.frame().close[0] == 1001
    assert command.wait() == 0
