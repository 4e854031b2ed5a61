"""SIGTERM: each client gets its queued messages and a Close, and the server ends in time."""

from __future__ import annotations

import signal

import gevent

from ..certificates import Identity
from ..clients import PATIENCE, Client
from .conftest import Run
from .ways import COMMAND, STOCK, Site

FILTERS = """
from fws_gevent.filters.base import WebSocketMessageFilter


class Send(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        if data == "to all":
            web_socket_instance.broadcast("last words", include_self=True)
        else:
            web_socket_instance.send("much is coming")
            web_socket_instance.send(bytes(int(data.text)))
"""

LARGE = 8 << 20  # bytes, more than the kernel takes

GOODBYE = (1001, "the server is shutting down")

SETTINGS = {
    "grace": 3,
    "close_timeout": 900,  # so a mute client is waited for as long as the grace allows
    "max_queue": 2 * LARGE,
}


def started(run: Run, way: str, **more: object) -> Site:
    # With our worker, gunicorn's graceful_timeout is the grace. The stock one has its own, and
    # gunicorn must not kill it before.
    flags = {COMMAND: (), STOCK: ("--graceful-timeout", "15")}
    return run(FILTERS, **SETTINGS, more=flags.get(way, ("--graceful-timeout", "4")), **more)


def ask_for_much(client: Client) -> None:
    """Queue so much for a client that most of it waits until the client reads."""
    client.send(str(LARGE))
    assert client.receive() == "much is coming"


def hears_all(client: Client, *expected: str | bytes) -> bool:
    """Return whether a client gets messages, a Close, and the end after its answer."""
    assert [client.receive() for _ in expected] == list(expected)
    assert client.frame().close == GOODBYE
    client.close(1001)
    return client.at_end()


def ends_well(site: Site) -> None:
    assert site.command.wait() == 0
    assert "Traceback" not in site.log
    assert "SIGKILL" not in site.log


def test_many_get_their_messages_and_a_close_although_one_is_mute(run: Run, way: str) -> None:
    site = started(run, way)
    mute, *clients = (site.client() for _ in range(200))
    slow = clients[:3]
    for each in slow:
        ask_for_much(each)
    clients[-1].send("to all")
    assert clients[-1].receive() == "last words"
    site.command.signal(signal.SIGTERM)
    hearing = [
        *(gevent.spawn(hears_all, each, bytes(LARGE), "last words") for each in slow),
        *(gevent.spawn(hears_all, each, "last words") for each in clients[3:-1]),
        gevent.spawn(hears_all, clients[-1]),
    ]
    gevent.joinall(hearing, PATIENCE, raise_error=True)
    assert [each.value for each in hearing] == [True] * 199
    ends_well(site)
    assert "1 connections didn't answer in " in site.log
    assert mute.receive() == "last words"
    assert mute.frame().close == GOODBYE
    assert mute.at_end()


def test_clients_over_tls_get_their_messages_and_a_close_too(
    run: Run, way: str, identity: Identity
) -> None:
    site = started(run, way, identity=identity)
    clients = [site.client() for _ in range(5)]
    ask_for_much(clients[0])
    clients[-1].send("to all")
    assert clients[-1].receive() == "last words"
    site.command.signal(signal.SIGTERM)
    hearing = [
        gevent.spawn(hears_all, clients[0], bytes(LARGE), "last words"),
        *(gevent.spawn(hears_all, each, "last words") for each in clients[1:-1]),
        gevent.spawn(hears_all, clients[-1]),
    ]
    gevent.joinall(hearing, PATIENCE, raise_error=True)
    assert [each.value for each in hearing] == [True] * 5
    ends_well(site)
    assert "didn't answer" not in site.log
