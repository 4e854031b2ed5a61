"""The printing of filters: it never waits, and texts of clients are escaped."""

from __future__ import annotations

import sys

import pytest

from fws_gevent.filters.broadcast_message_filter import BroadcastMessageFilter
from fws_gevent.filters.stdout_messages import StdoutMessageFilter
from fws_gevent.filters.stdout_pubsub import StdoutPubSubFilter
from fws_gevent.filters.stdout_rawdata import StdoutRawDataFilter
from fws_gevent.logs.printing import Printer

from ..conftest import Connect, Serve
from ..pipes import Pipe
from ..waiting import until


def test_lines_and_tabs_stay_and_terminal_commands_are_escaped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Printer()("a\tb\nc\x1b]0;title\x07\r\x9b")
    assert capsys.readouterr().out == "a\tb\nc\\x1b]0;title\\x07\\x0d\\x9b\n"


def test_an_unread_output_blocks_no_filter_and_is_logged_once(
    serve: Serve,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pipe = Pipe()
    monkeypatch.setattr(sys, "stdout", pipe.stream)
    filters = [StdoutRawDataFilter, StdoutMessageFilter, BroadcastMessageFilter, StdoutPubSubFilter]
    server = serve(filters)
    sender, other = connect(server), connect(server)
    for _ in range(30):
        sender.send("x" * 60_000)
        server.queue.put({"data": "x" * 60_000})
        assert other.receive() == "x" * 60_000
    until(lambda: "standard output is not read" in caplog.text)
    lines = pipe.read_until("standard output was not read")
    assert {"--RAWDATA--", "--MESSAGE--", "--DROPPED--"} <= set(lines)
    assert sum("is not read" in line for line in caplog.messages) == 1
    monkeypatch.undo()
    pipe.close()


def test_a_filter_prints_by_its_connection_or_server(
    serve: Serve, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve([StdoutMessageFilter, StdoutPubSubFilter])
    client = connect(server)
    client.send("hello\x1b")
    server.queue.put({"data": "news"})
    so_far = ""

    def printed() -> bool:
        nonlocal so_far
        so_far += capsys.readouterr().out
        return "hello" in so_far and "news" in so_far

    until(printed)
    assert "=> hello\\x1b\n" in so_far
