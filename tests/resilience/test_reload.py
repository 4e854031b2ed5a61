"""SIGHUP under load: no new client is refused, and the others are told to come back."""

from __future__ import annotations

import signal

import gevent
import pytest

from ..clients import PATIENCE, Client
from ..waiting import until
from .conftest import Run
from .ways import COMMAND, STOCK, Site

TICKS = """
import itertools
import gevent
from fws_gevent import signals
from fws_gevent.filters.base import WebSocketConnectFilter, WebSocketMessageFilter

ticking = []

class Tick(WebSocketConnectFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        if not ticking:
            ticking.append(gevent.spawn(tick, web_socket_instance.node))

def tick(server):
    for number in itertools.count():
        server.broadcast(f"tick {number}")
        gevent.sleep(0.02)

class Echo(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        web_socket_instance.send(data)
"""


class Load:
    """Clients that connect and go, one after another; each must be accepted."""

    def __init__(self, site: Site, number: int) -> None:
        self.let_in = 0
        self._site = site
        self._greenlets = [gevent.spawn(self._come_and_go) for _ in range(number)]
        self._going = True

    def _come_and_go(self) -> None:
        while self._going:
            client = Client(self._site.port)  # raises unless the answer is 101
            self.let_in += 1
            client.close(1001)
            client.drop()
            gevent.sleep(0.005)

    def goes_on(self, more: int) -> None:
        """Wait until `more` further clients were accepted."""
        so_far = self.let_in
        until(lambda: self.let_in >= so_far + more or self._failed())
        assert not self._failed()

    def _failed(self) -> bool:
        return any(each.dead for each in self._greenlets)

    def stop(self) -> None:
        """Stop, and raise the error of any of them."""
        self._going = False
        gevent.joinall(self._greenlets, PATIENCE, raise_error=True)


def last_tick(client: Client, code: int) -> int:
    """Return the last tick that a client gets before its Close, which it answers."""
    tick = -1
    while (got := client.frame()).opcode != 8:
        tick = int(got.payload.removeprefix(b"tick "))
    assert got.close[0] == code
    client.close(code)
    return tick


def await_start(site: Site, number: int) -> None:
    """Wait until the site has begun to serve `number` times, and the earlier workers have ended."""
    until(lambda: site.log.count(" storage: ") == number)
    if site.way != COMMAND:  # the command stays in one process
        until(lambda: site.log.count("Worker exiting") == number - 1)


@pytest.fixture
def site(run: Run, way: str) -> Site:
    more = () if way == COMMAND else ("--graceful-timeout", "6")
    return run(TICKS, grace=5, more=more)


def test_no_client_is_refused_and_all_are_closed_one_after_another(site: Site) -> None:
    load = Load(site, 4)
    # gunicorn has new workers and ends the old ones, so for these it is an end like any other.
    code = 1012 if site.way == COMMAND else 1001
    try:
        for round_ in (1, 2):
            load.goes_on(20)
            clients = [site.client() for _ in range(200)]
            assert clients[-1].frame().payload.startswith(b"tick ")
            site.command.signal(signal.SIGHUP)
            leaving = [gevent.spawn(last_tick, each, code) for each in clients]
            gevent.joinall(leaving, PATIENCE, raise_error=True)
            # 200 closes take a part of a second, and the last clients get messages in it.
            assert leaving[0].get() < leaving[-1].get()
            await_start(site, round_ + 1)
            load.goes_on(50)
    finally:
        load.stop()
    assert "Traceback" not in site.log
    assert "SIGKILL" not in site.log
    assert "didn't answer" not in site.log


def test_a_mute_client_delays_the_reload_no_longer_than_the_grace(run: Run, way: str) -> None:
    flags = {COMMAND: (), STOCK: ("--graceful-timeout", "15")}
    site = run(TICKS, grace=2, close_timeout=900,
               more=flags.get(way, ("--graceful-timeout", "2")))  # fmt: skip
    mute = site.client()
    assert mute.frame().payload.startswith(b"tick ")
    site.command.signal(signal.SIGHUP)
    site.command.wait_for("1 connections didn't answer in ")
    client = site.client()
    client.send("hello")
    while (got := client.frame()).payload.startswith(b"tick "):
        pass
    assert got.payload == b"hello"
    await_start(site, 2)
