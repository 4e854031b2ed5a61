"""Peers that are stopped, killed or cut off are given up, and removed without a trace."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..certificates import Identity
from ..clients import Client, Command, frame
from ..conftest import Start
from .conftest import Run
from .hostile import MIB, Bystander, black_hole, come_back
from .ways import Site

Children = Callable[[Site, str], Command]

BOOKS = """
from fws_gevent import signals
from fws_gevent.filters.base import (
    WebSocketConnectFilter,
    WebSocketDisconnectFilter,
    WebSocketMessageFilter,
)


def note(book, *words):
    with open(book, "a") as file:
        print(*words, file=file)


class Come(WebSocketConnectFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        web_socket_instance.join(web_socket_instance.path)
        if web_socket_instance.path != "/bystander":
            web_socket_instance.send(web_socket_instance.id)


class Do(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        server = web_socket_instance.node
        if data == "fill":
            for _ in range(100):
                web_socket_instance.broadcast(bytes(65536), "/filled")
        elif data == "close":
            for member in server.groups["/closed"].values():
                member.close(4000, "enough")
        elif data == "who":
            data = " ".join(sorted(server.groups))
        web_socket_instance.send(data)


class Gone(WebSocketDisconnectFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        note("gone", web_socket_instance.id, data.code, data.reason)


def left(server, web_socket_instance, data):
    note("left", data.id, data.group)


signals.member_left.connect(left, weak=False)
"""

CHILD = """
import sys
from tests.clients import Client, frame

client = Client(int(sys.argv[1]), sys.argv[2], tls=bool(sys.argv[3:]))
print("I am", client.receive(), flush=True)
try:
    while True:
        got = client.frame()
        if got.opcode == 9:
            client.raw(frame(10, got.payload))
except OSError:
    print("it hung up", flush=True)
"""

SILENT, LOST = "1006 the peer doesn't answer pings", "1006 the connection was lost"


@pytest.fixture
def children(start: Start) -> Iterator[Children]:
    """Return a function that starts clients in processes, which end with the test."""
    begun = []

    def begin(site: Site, path: str) -> Command:
        begun.append(start("-c", CHILD, str(site.port), path, *(["tls"] if site.tls else [])))
        return begun[-1]

    yield begin
    for child in begun:
        child.process.kill()


def _is_cut_off(client: Client) -> bool:
    """Return whether the server has ended the connection of a client that comes back."""
    come_back(client.socket)
    try:
        client.raw(frame(1, b"here I am"))
        while client.socket.recv(MIB):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def _lines(book: Path) -> list[str]:
    return book.read_text().splitlines() if book.exists() else []


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_a_peer_that_vanishes_is_given_up_with_one_disconnect_event(
    tls: bool, run: Run, children: Children, tmp_path: Path, identity: Identity
) -> None:
    site = run(
        BOOKS,
        identity=identity if tls else None,
        ping_interval=0.5,
        ping_timeout=1,
        close_timeout=0.5,
    )
    stopped = [children(site, path) for path in ("/quiet", "/filled", "/closed", "/killed")]
    ends = [SILENT, SILENT, "4000 enough", LOST]
    expected = {
        child.wait_for(r"I am (\w+)")[1]: end for child, end in zip(stopped, ends, strict=True)
    }
    stopped.pop().signal(signal.SIGKILL)
    for child in stopped:
        child.signal(signal.SIGSTOP)
    vanished = []
    for path, last_words, end in (
        ("/quiet", b"", SILENT),
        ("/quiet", frame(2, bytes(1000))[:500], SILENT),
        ("/filled", b"", SILENT),
        ("/closed", b"", "4000 enough"),
    ):
        client = site.client(path)
        expected[str(client.receive())] = end
        client.raw(last_words)
        black_hole(client.socket)
        vanished.append(client)
    bystander = Bystander(site, path="/bystander")
    for what in ("fill", "close"):
        assert bystander.say(what) == what
    gone, left = tmp_path / "gone", tmp_path / "left"
    bystander.ask_until(lambda: len(_lines(gone)) >= len(expected))
    assert {line.partition(" ")[0]: line.partition(" ")[2] for line in _lines(gone)} == expected
    assert bystander.say("who") == "/bystander"
    for child in stopped:
        child.signal(signal.SIGCONT)
        child.wait_for("it hung up")
    bystander.ask()
    for client in vanished:
        assert _is_cut_off(client)
        bystander.ask()
    site.command.signal(signal.SIGTERM)
    assert site.command.wait() == 0
    for book in (gone, left):
        told = Counter(line.split()[0] for line in _lines(book))
        assert set(told.values()) == {1}
        assert set(told) > set(expected)
        assert len(told) == len(expected) + 1  # the bystander's own
