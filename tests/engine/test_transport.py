"""A socket's outbox: coalescing, what the kernel refuses, and what is dropped."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import gevent
import pytest

from fws_gevent.engine.reactor import Reactor
from fws_gevent.engine.transport import FLUSH_SIZE, Transport
from tests.waiting import until


class Plain(Transport):
    """A transport that notes what it is told."""

    def __init__(self, reactor: Reactor, socket: socket.socket) -> None:
        super().__init__(reactor, socket, secure=False)
        self.told: list[str] = []

    def on_lost(self, error: OSError) -> None:
        self.told.append("lost")

    def on_queued(self) -> None:
        self.told.append("queued")

    def on_written(self) -> None:
        self.told.append("written")


@pytest.fixture
def pair() -> Iterator[tuple[Plain, socket.socket]]:
    reactor = Reactor(max_runners=1)
    reactor.start()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(20)
    yield Plain(reactor, ours), theirs
    reactor.stop()
    ours.close()
    theirs.close()


def _fill(transport: Plain) -> int:
    """Write until the kernel refuses; how much was written."""
    size = 0
    while not transport.waiting:
        transport.write(b"x" * FLUSH_SIZE)
        size += FLUSH_SIZE
    return size


def test_the_writes_of_a_turn_leave_together_and_in_order(
    pair: tuple[Plain, socket.socket],
) -> None:
    transport, theirs = pair
    transport.write(b"one ")
    transport.write(b"two")
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(100)
    gevent.sleep(0)
    assert theirs.recv(100) == b"one two"


def test_much_output_leaves_at_once(pair: tuple[Plain, socket.socket]) -> None:
    transport, theirs = pair
    transport.write(b"x" * FLUSH_SIZE)
    assert theirs.recv(FLUSH_SIZE, socket.MSG_WAITALL) == b"x" * FLUSH_SIZE


def test_what_the_kernel_refuses_waits_is_counted_and_follows_in_order(
    pair: tuple[Plain, socket.socket],
) -> None:
    transport, theirs = pair
    written = _fill(transport)
    assert "queued" in transport.told
    transport.write(b"the end")
    transport.flush()
    queued = transport.queued
    assert 0 < queued <= FLUSH_SIZE + 7
    got = theirs.recv(written + 7 - queued, socket.MSG_WAITALL)
    transport.drain()
    got += theirs.recv(queued, socket.MSG_WAITALL)
    assert got == b"x" * written + b"the end"
    assert transport.queued == 0
    assert transport.told[-1] == "written"


def test_dropping_what_waits_keeps_the_chunk_that_is_half_out(
    pair: tuple[Plain, socket.socket],
) -> None:
    transport, theirs = pair
    written = _fill(transport)
    half_out = transport.queued
    for _ in range(3):
        transport.write(b"y" * FLUSH_SIZE)
    assert transport.drop_waiting() + transport.queued == half_out + 3 * FLUSH_SIZE
    assert transport.queued in (half_out, 0)
    kept = transport.queued
    got = theirs.recv(written - half_out, socket.MSG_WAITALL)
    transport.drain()
    got += theirs.recv(kept, socket.MSG_WAITALL) if kept else b""
    assert got == b"x" * (written - half_out + kept)


def test_a_broken_socket_is_told_when_written_to(pair: tuple[Plain, socket.socket]) -> None:
    transport, theirs = pair
    theirs.close()
    transport.write(b"x")
    until(lambda: transport.told)
    assert transport.told == ["lost"]


def test_hanging_up_ends_the_stream_for_the_other_side(
    pair: tuple[Plain, socket.socket],
) -> None:
    transport, theirs = pair
    transport.hang_up()
    assert theirs.recv(100) == b""
    theirs.send(b"still heard")
