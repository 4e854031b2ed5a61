"""Writes to a stream that may not be read: in order, without waiting, and with a count."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from io import StringIO
from typing import TextIO

import pytest
from gevent import subprocess

from fws_gevent.logs.output import QUEUE_SIZE, Output

from ..clients import ROOT
from ..pipes import Pipe
from ..waiting import until

SIZE = 1000
TEXTS = 3 * QUEUE_SIZE // SIZE
"""A number of texts of that size that is more than a pipe and a queue hold."""


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def notice(count: int) -> str:
    return f"dropped {count}\n"


def text(number: int) -> str:
    return f"{number} ".ljust(SIZE - 1, "x") + "\n"


def numbers(lines: list[str]) -> list[int]:
    return [int(line.split()[0]) for line in lines if "xx" in line]


def test_texts_arrive_in_the_order_in_which_they_were_written(pipe: Pipe) -> None:
    output = Output(lambda: pipe.stream, notice)
    for number in range(500):
        output.write(text(number))
    output.write("the end é\n")
    lines = pipe.read_until("the end")
    assert numbers(lines) == [*range(500)]
    assert lines[-1] == "the end é"
    assert output.drain()


def test_an_unread_stream_blocks_no_writer_and_says_how_many_texts_it_lost(pipe: Pipe) -> None:
    full: list[int] = []
    output = Output(lambda: pipe.stream, notice, lambda: full.append(1))
    for number in range(TEXTS):
        output.write(text(number))
    assert full == [1]
    assert not output.drain(0.05)
    lines = pipe.read_until("dropped")
    kept = numbers(lines)
    assert kept == [*range(len(kept))]
    assert lines[-1] == f"dropped {TEXTS - len(kept)}"
    for number in range(TEXTS):
        output.write(text(number))
    assert full == [1, 1]  # it had caught up
    pipe.read_until("dropped")


def test_a_text_that_is_larger_than_the_queue_is_written_where_nothing_waits(pipe: Pipe) -> None:
    output = Output(lambda: pipe.stream, notice)
    output.write("y" * 2 * QUEUE_SIZE + "\n")
    (line,) = pipe.read_until("y")
    assert len(line) == 2 * QUEUE_SIZE


def test_characters_missing_in_the_encoding_are_escaped(pipe: Pipe) -> None:
    pipe.stream.reconfigure(encoding="ascii")
    Output(lambda: pipe.stream, notice).write("é \ud800\n")
    assert pipe.read_until("ud800") == ["\\xe9 \\ud800"]


def test_a_reader_that_is_gone_ends_nothing() -> None:
    pipe = Pipe()
    output = Output(lambda: pipe.stream, notice)
    os.close(pipe._reader)
    for number in range(10):
        output.write(text(number))
    until(output.drain)
    pipe.stream.close()


def test_a_stream_in_memory_is_written_at_once() -> None:
    stream = StringIO()
    output = Output(lambda: stream, notice)
    output.write("a\n")
    assert stream.getvalue() == "a\n"
    assert output.drain()


def test_the_stream_is_asked_for_each_text(pipe: Pipe) -> None:
    streams: list[TextIO] = [pipe.stream, StringIO()]
    output = Output(lambda: streams.pop(0), notice)
    output.write("one\n")
    output.write("two\n")
    assert pipe.read_until("one") == ["one"]


CHILD = """
import os, sys
from fws_gevent.logs.output import Output

output = Output(lambda: sys.stdout, str)
output.write("parent\\n")
output.drain()
child = os.fork()
if not child:
    output.write("child\\n")
    assert output.drain()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
output.write("parent again\\n")
assert output.drain()
"""


def test_the_child_of_a_fork_writes_for_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD], cwd=ROOT, capture_output=True, text=True, timeout=20
    )
    assert (done.returncode, done.stdout) == (0, "parent\nchild\nparent again\n"), done.stderr


STALLED = """
import logging, sys
from fws_gevent.logs.configuration import configure_logging

configure_logging()
for _ in range(3000):
    logging.getLogger("fws_gevent").warning("x" * 1000)
sys.exit(3)
"""


def test_a_process_with_an_unread_log_ends_with_its_own_status() -> None:
    reader, writer = os.pipe()
    process = subprocess.Popen([sys.executable, "-c", STALLED], cwd=ROOT, stderr=writer)
    os.close(writer)
    assert process.wait(20) == 3
    os.close(reader)
