"""The figures of the faults benchmark: losses, delays, verdicts."""

from __future__ import annotations

import socket
import sys
from array import array
from collections.abc import Iterator
from random import Random
from time import monotonic_ns

import pytest

from .clients import ROOT

sys.path.append(str(ROOT / "benchmarks"))

from faults.fan import SIZE, Reader, message
from faults.figures import Figure, Line, table

SECOND = 10**9


def answer(number: int, late: float) -> bytes:
    """Return a server's frame of a message, with a time in the past."""
    told = message(number)
    when = monotonic_ns() - int(late * SECOND)
    return told[:1] + b"\x7e" + told[2:4] + when.to_bytes(8, "big") + told[16:]


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Reader]]:
    """Return the server's socket, and the reader at its other end."""
    here, there = socket.socketpair()
    yield here, Reader(there)
    here.close()
    there.close()


@pytest.mark.parametrize("seed", range(20))
def test_a_reader_counts_messages_however_they_are_split(
    ends: tuple[socket.socket, Reader], seed: int
) -> None:
    server, reader = ends
    random, delays = Random(seed), array("q")
    rest = b"".join(answer(number, late=3.0) for number in range(5))
    while rest:
        size = random.choice((1, 5, 19, SIZE, 40_000))
        server.sendall(rest[:size])
        rest = rest[size:]
        reader.read(delays)
    assert reader.next == len(delays) == 5
    assert (reader.ended, reader.disorder) == (False, False)
    assert all(each >= 3 * SECOND for each in delays)


def test_a_message_that_is_left_out_is_disorder(ends: tuple[socket.socket, Reader]) -> None:
    server, reader = ends
    for number in (0, 2):
        server.sendall(answer(number, late=0))
        reader.read(array("q"))
    assert (reader.next, reader.disorder, reader.ended) == (1, True, True)


def test_the_end_of_the_stream_is_seen(ends: tuple[socket.socket, Reader]) -> None:
    server, reader = ends
    server.shutdown(socket.SHUT_WR)
    reader.read(array("q"))
    assert (reader.next, reader.disorder, reader.ended) == (0, False, True)


def test_a_line_names_the_missed_figures() -> None:
    line = Line("a flood", [Figure("closed after", 0.25, "s", 1.0), Figure("sent", 3, "")])
    assert str(line) == "| a flood | closed after 0.25 s (<= 1); sent 3 | holds |"
    line.check(True, "never said")
    line.instead = "less than that"
    assert line.verdict == "instead: less than that"
    line.figures.append(Figure("others late by", 123.4, "ms", 100.0))
    line.check(False, "closed with 1006")
    line.waited = 0.02
    assert line.missed == ["others late by", "closed with 1006"]
    assert line.verdict == (
        "MISSED: others late by, closed with 1006 (the server waited 20 ms for a processor)"
    )
    assert str(line).startswith(
        "| a flood | closed after 0.25 s (<= 1); sent 3; others late by 123 ms (<= 100) |"
    )
    assert table("command", [line]).count("\n") == 5
