"""The outbox of a socket: coalescing, refused output, and dropped output."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import gevent
import pytest

from fws_gevent.connection.transport import DRAIN_SIZE, FLUSH_SIZE, Transport
from fws_gevent.loop.reactor import Reactor
from tests.waiting import until


class Plain(Transport):
    """A transport that records its events."""

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
    """Write until the kernel refuses; return the number of bytes written."""
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


def test_output_that_the_kernel_refuses_waits_and_follows_in_order(
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


def test_dropping_waiting_output_keeps_a_chunk_that_is_partly_sent(
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


def test_a_write_to_a_broken_socket_reports_the_loss(pair: tuple[Plain, socket.socket]) -> None:
    transport, theirs = pair
    theirs.close()
    transport.write(b"x")
    until(lambda: transport.told)
    assert transport.told == ["lost"]


def test_hanging_up_ends_the_stream_for_the_peer(
    pair: tuple[Plain, socket.socket],
) -> None:
    transport, theirs = pair
    transport.hang_up()
    assert theirs.recv(100) == b""
    theirs.send(b"still heard")


def test_small_pieces_that_wait_become_few_and_stay_in_order(
    pair: tuple[Plain, socket.socket],
) -> None:
    transport, theirs = pair
    written = _fill(transport)
    waited = transport.queued
    pieces = [b"%06d" % number for number in range(20_000)]
    for piece in pieces:  # one in each turn
        transport.write(piece)
        transport.flush()
    assert transport.waiting is not None
    assert len(transport.waiting) < 20
    assert transport.queued == waited + 6 * len(pieces)
    assert _drain(transport, theirs, written + 6 * len(pieces)) == b"x" * written + b"".join(pieces)


def test_a_large_piece_that_waits_is_shared_by_its_receivers(
    pair: tuple[Plain, socket.socket],
) -> None:
    transport, _ = pair
    _fill(transport)
    large = b"y" * 5000
    transport.write(large)
    transport.flush()
    transport.write(large)
    transport.flush()
    assert transport.waiting is not None
    assert [each is large for each in transport.waiting][-2:] == [True, True]


def test_waiting_output_leaves_in_portions_that_count_as_work(
    pair: tuple[Plain, socket.socket],
) -> None:
    transport, theirs = pair
    _fill(transport)
    for _ in range(100):
        transport.write(b"y" * FLUSH_SIZE)
    theirs.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while theirs.recv(1 << 20):
            pass
    reactor, waited = transport.reactor, transport.queued
    work = reactor.work
    transport.drain()
    portion = waited - transport.queued
    assert DRAIN_SIZE <= portion < 2 * DRAIN_SIZE
    assert reactor.work - work == portion >> 12
    until(lambda: transport.queued < waited - portion)  # the loop goes on by itself


def test_waiting_output_of_any_sizes_leaves_in_order(pair: tuple[Plain, socket.socket]) -> None:
    transport, theirs = pair
    written = _fill(transport)
    sizes = [1, 5000, 3, 1023, 1024, FLUSH_SIZE * 3, 7, 7, 20_000, 1]
    pieces = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    for piece in pieces:
        transport.write(piece)
        transport.flush()
    assert _drain(transport, theirs, written + sum(sizes)) == b"x" * written + b"".join(pieces)
    assert transport.queued == 0
    assert transport.waiting is None


def test_put_and_written_frames_leave_in_order_after_the_turn(
    pair: tuple[Plain, socket.socket],
) -> None:
    transport, theirs = pair
    pieces = [b"a", b"b" * FLUSH_SIZE, b"c" * 2000, b"d" * (2 * FLUSH_SIZE), b"e"]
    transport.put(pieces[0])
    transport.put(pieces[1])
    transport.write(pieces[2])
    transport.put(pieces[3])
    transport.write(pieces[4])
    assert transport.reactor.bytes_out == 0
    size = sum(map(len, pieces))
    assert _drain(transport, theirs, size) == b"".join(pieces)
    assert transport.queued == 0


def test_bytes_in_transit_are_unsent_until_the_peer_has_them(
    pair: tuple[Plain, socket.socket],
) -> None:
    transport, theirs = pair
    assert transport.unsent() == 0
    written = _fill(transport)
    assert transport.unsent() >= transport.queued > 0
    _drain(transport, theirs, written)
    assert transport.unsent() == 0


def test_a_closed_transport_has_released_its_descriptor(
    pair: tuple[Plain, socket.socket],
) -> None:
    transport, theirs = pair
    transport.write(b"lost")
    transport.shut()
    assert transport.descriptor == -1
    assert theirs.recv(100) == b""
    transport.flush()
    transport.drain()
    assert transport.told == []


def _drain(transport: Plain, theirs: socket.socket, size: int) -> bytes:
    """Read `size` bytes while the transport writes its waiting output."""
    got = bytearray()
    while len(got) < size:
        got += theirs.recv(1 << 20)
        transport.drain()
    return bytes(got)
