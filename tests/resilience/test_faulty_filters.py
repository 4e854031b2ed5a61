"""Filters and subscribers that raise or never return affect their own connection alone."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from gevent.select import select

from ..clients import Client
from ..waiting import until
from .conftest import Run
from .pages import WS, metric, page, with_pages
from .ways import COMMAND, Site
from .ways import FILTERS as MODULE

EVENTS = ("connect", "data", "message", "disconnect")

CHAINS = {event: f"On{event.capitalize()}" for event in EVENTS}

FILTERS = """
from pathlib import Path
import gevent
from gevent.event import Event
from fws_gevent import signals
from fws_gevent.filters.base import (
    WebSocketConnectFilter, WebSocketDataFilter, WebSocketDisconnectFilter, WebSocketMessageFilter,
)

GO = Path(__file__).with_name("go")
ERRORS = {
    "error": ValueError, "timeout": gevent.Timeout, "kill": gevent.GreenletExit,
    "generator": GeneratorExit, "memory": MemoryError, "recursion": RecursionError,
}

def do(web_socket_instance, event):
    what = web_socket_instance.data.get(event)
    if what == "hang":
        Event().wait()
    while what == "wait" and not GO.exists():
        gevent.sleep(0.01)
    if what in ERRORS:
        raise ERRORS[what]()

def note(web_socket_instance, environ):
    plan = environ["QUERY_STRING"].split("=")
    web_socket_instance.data.update(zip(plan[::2], plan[1::2]))

class OnConnect(WebSocketConnectFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        note(web_socket_instance, data)
        do(web_socket_instance, "connect")

class OnData(WebSocketDataFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        do(web_socket_instance, "data")

class OnMessage(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        do(web_socket_instance, "message")

class Echo(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        web_socket_instance.send(data)

class OnDisconnect(WebSocketDisconnectFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        do(web_socket_instance, "disconnect")

def subscriber(bus):
    def hear(server, web_socket_instance, data):
        if bus == "client_connected":
            note(web_socket_instance, data)
        do(web_socket_instance, f"{bus}-subscriber")
    return hear

for name in ("client_connected", "data_received", "message_received", "client_disconnected"):
    getattr(signals, name).connect(subscriber(name), weak=False)
"""

ERRORS = ("error", "timeout", "kill", "generator", "memory", "recursion")

BUSES = {
    "client_connected": "connect",
    "data_received": "data",
    "message_received": "message",
    "client_disconnected": "disconnect",
}


@pytest.fixture
def site(run: Run, way: str, tmp_path: Path) -> Site:
    """Return a server whose filters follow the query of a connection, such as ?connect=hang."""
    flags = () if way == COMMAND else ("--graceful-timeout", "1")
    return run(FILTERS, more=(*flags, *with_pages(way, tmp_path)), max_runners=12, grace=0.5)


def faulty(site: Site, plan: str) -> Client:
    return site.client(f"{WS}?{plan}")


def echoes(client: Client) -> bool:
    client.send("hello")
    return client.receive() == "hello"


def is_silent(client: Client) -> bool:
    """Return whether nothing comes for a client at present."""
    return not select([client.socket], [], [], 0.1)[0]


def part(client: Client) -> None:
    """Close from the client's side."""
    client.close()
    assert client.frame().close[0] == 1000


def await_lines(site: Site, text: str, count: int) -> None:
    """Wait until `count` lines of the log have a text: another thread writes them."""
    until(lambda: site.log.count(text) >= count)


def test_a_filter_that_raises_ends_its_own_connection_alone(site: Site) -> None:
    friend = site.client(WS)
    for error in ERRORS:
        for event in EVENTS:
            client = faulty(site, f"{event}={error}")
            if event == "disconnect":
                part(client)
                continue
            if event != "connect":
                client.send("hello")
            assert client.frame().close == (1011, "a filter failed"), (event, error)
            client.close(1011)
            assert client.at_end()
        assert echoes(friend)
    until(lambda: metric(site, "fws_connections") == 1)
    for event, name in CHAINS.items():
        where = {"chain": event, "filter": f"{MODULE}.{name}"}
        each = 2 if event == "data" else 1  # a Close frame is data, too
        assert metric(site, "fws_filter_errors_total", **where) == each * len(ERRORS)
        await_lines(site, f"filter {MODULE}.{name} failed on <Connection ", 1)
    assert metric(site, "fws_connections_closed_total", code="1011") == 3 * len(ERRORS)
    assert echoes(friend)


def test_a_subscriber_that_raises_ends_no_connection(site: Site) -> None:
    friend = site.client(WS)
    for error in ERRORS:
        for bus in BUSES:
            client = faulty(site, f"{bus}-subscriber={error}")
            assert echoes(client), (bus, error)
            part(client)
    until(lambda: metric(site, "fws_connections") == 1)
    for bus in BUSES:
        await_lines(site, f"bus {bus}: subscriber ", len(ERRORS))
    assert echoes(friend)


def test_a_filter_that_never_returns_blocks_its_own_connection_alone(site: Site) -> None:
    friend = site.client(WS)
    stuck = [faulty(site, f"{event}=hang") for event in EVENTS]
    subscribed = [faulty(site, f"{bus}-subscriber=hang") for bus in BUSES]
    for client in (*stuck[:3], *subscribed[:3]):
        client.send("hello")
    for client in (stuck[3], subscribed[3]):
        assert echoes(client)
        part(client)
    until(lambda: metric(site, "fws_runners_blocked") == 8)
    for _ in range(20):
        assert echoes(friend)
    # Subscribers and filters have no order, so the echo may have come first.
    assert all(map(is_silent, stuck[:3]))
    stuck[2].drop()
    assert echoes(friend)
    assert echoes(site.client(WS))
    assert metric(site, "fws_runners_blocked") == 8
    site.command.signal(signal.SIGTERM)
    assert friend.frame().close[0] == 1001
    friend.close(1001)
    assert site.command.wait() == 0
    assert "SIGKILL" not in site.log


def test_all_connections_wait_without_a_free_runner_and_go_on_later(
    run: Run, way: str, tmp_path: Path
) -> None:
    site = run(FILTERS, more=with_pages(way, tmp_path), max_runners=3)
    friend = site.client(WS)
    assert echoes(friend)
    stuck = [faulty(site, "message=wait") for _ in range(3)]
    for client in stuck:
        client.send("hello")
    until(lambda: metric(site, "fws_runners_blocked") == 3)
    friend.send("waits")
    late = faulty(site, "message=wait")
    late.send("waits too")
    site.command.wait_for("all 3 runners are blocked in filters: connections wait; see --max_run")
    assert page(site, "/fws/healthz") == (200, "ok\n")
    assert metric(site, "fws_runners_blocked") == 3
    assert is_silent(friend)
    assert is_silent(late)
    (tmp_path / "go").touch()
    assert friend.receive() == "waits"
    assert late.receive() == "waits too"
    assert [client.receive() for client in stuck] == ["hello"] * 3
    assert echoes(friend)
    until(lambda: metric(site, "fws_runners_blocked") == 0)
    assert site.log.count("runners are blocked") == 1
