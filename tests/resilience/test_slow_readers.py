"""Readers that are slow or never read, among others that must not be affected."""

from __future__ import annotations

from pathlib import Path

import gevent
import pytest

from ..certificates import Identity
from ..clients import PATIENCE, Client, frame
from ..waiting import until
from .conftest import Run
from .hostile import Reader
from .pages import WS, metric, with_pages

TELL_ALL = """
from fws_gevent.filters.base import WebSocketConnectFilter, WebSocketMessageFilter


class Join(WebSocketConnectFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        web_socket_instance.join("members")
        web_socket_instance.send("you are in")


class Tell(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        web_socket_instance.broadcast(data, "members")
"""

REST = bytes(16 * 1024 - 6)


def _message(number: int) -> bytes:
    """Return a message of 16 KiB with its number."""
    return f"{number:06}".encode() + REST


class Member:
    """A client in the group. `read` is the number of messages that it got, in their order."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.read = 0
        self.last: int | None = None
        assert client.receive() == "you are in"

    def follow(self) -> None:
        """Read up to the last message."""
        for opcode, payload in Reader(self.client):
            assert (opcode, payload) == (2, _message(self.read))
            self.read += 1
            if self.read - 1 == self.last:
                return
        raise ConnectionError(f"closed after {self.read} messages")


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_a_client_that_never_reads_is_closed_and_its_group_loses_no_message(
    tls: bool, run: Run, way: str, tmp_path: Path, identity: Identity
) -> None:
    site = run(
        TELL_ALL,
        more=with_pages(way, tmp_path),
        identity=identity if tls else None,
        max_queue_time=0.5,
        close_timeout=PATIENCE,
    )
    slow = [Member(site.client(WS, receive_buffer=4096)) for _ in range(5)]
    healthy = [Member(site.client(WS)) for _ in range(19)]
    publisher = Member(site.client(WS)).client
    readers = [gevent.spawn(each.follow) for each in healthy]
    number = 0
    while site.log.count("reads too slowly") < len(slow):
        publisher.send(_message(number))
        number += 1
        # No faster than the slowest healthy client reads, so that none falls behind.
        until(lambda: number - min(each.read for each in healthy) < 50)  # noqa: B023
    for each in healthy:
        each.last = number
    publisher.send(_message(number))
    for reader in readers:
        reader.get(timeout=PATIENCE)
    for each in slow:
        assert f"127.0.0.1:{each.client.port}: reads too slowly" in site.log
        *messages, close = Reader(each.client)
        assert messages == [(2, _message(number)) for number in range(len(messages))]
        assert close == (8, (1013).to_bytes(2, "big") + b"too slow or overloaded")
        each.client.drop()
    assert metric(site, "fws_slow_consumers_closed_total") == len(slow)
    until(lambda: metric(site, "fws_connections_closed_total", code="1013") == len(slow))
    assert metric(site, "fws_connections") == len(healthy) + 1


def test_a_burst_closes_none_of_a_hundred_clients_that_read(run: Run) -> None:
    # The bound is so low that the burst exceeds it after the kernel has taken its part.
    site = run(TELL_ALL, max_queue=200_000, max_message_size=20_000)
    members = [Member(site.client(receive_buffer=65536)) for _ in range(100)]
    publisher = Member(site.client()).client
    for number in range(300):
        publisher.send(_message(number))
    publisher.raw(frame(9))
    assert publisher.frame().opcode == 10  # all of it was sent, or waits
    readers = [gevent.spawn(each.follow) for each in members]
    until(lambda: all(each.read == 300 for each in members))
    for each in members:
        each.last = 300
    publisher.send(_message(300))
    for reader in readers:
        reader.get(timeout=PATIENCE)
    assert "reads too slowly" not in site.log
