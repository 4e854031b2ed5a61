"""The access log has a line for each connection that opens and for each that ends."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest

from fws_gevent.logs.configuration import configure_logging
from fws_gevent.node.access_log import log_open

from ..conftest import Connect, Serve
from ..log_lines import logger_as_it_was, written
from ..waiting import until

_as_it_was = pytest.fixture(autouse=True)(logger_as_it_was)


def test_each_open_and_each_close_is_a_line_of_text(serve: Serve, connect: Connect) -> None:
    lines = written(configure_logging)
    server = serve()
    for code in (1000, 4000):
        connect(server, "/chat?secret=1").close(code, "because")
        until(lambda: not server.live)
    told = [line for line in lines() if re.search(r" (open|close) ", line)]
    pattern = (
        r".* INFO    open (\w+) 127\.0\.0\.1:(\d+) /chat\n"
        r".* INFO    close \1 127\.0\.0\.1:\2 /chat {code} \d+\.\d\d\ds because"
    )
    assert re.fullmatch(pattern.replace("{code}", "1000"), "\n".join(told[:2]))
    assert re.fullmatch(pattern.replace("{code}", "4000"), "\n".join(told[2:]))


def test_each_open_and_each_close_is_an_object_of_json(serve: Serve, connect: Connect) -> None:
    lines = written(configure_logging, "info", "json")
    server = serve()
    connect(server, "/chat?secret=1").close(4000, "because")
    until(lambda: not server.live)
    told = {content.get("event"): content for content in map(json.loads, lines())}
    opened, closed = told["open"], told["close"]
    assert opened["path"] == closed["path"] == "/chat"
    assert opened["id"] == closed["id"]
    assert opened["peer"] == closed["peer"]
    assert opened["peer"].startswith("127.0.0.1:")
    assert (closed["code"], closed["reason"]) == (4000, "because")
    assert closed["seconds"] >= 0


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_client_cannot_forge_a_line(form: str, serve: Serve, connect: Connect) -> None:
    lines = written(configure_logging, "info", form)
    server = serve()
    forged = "2026-01-01 00:00:00,000 INFO    close forged"
    client = connect(server, "/%0D%0A" + forged.replace(" ", "%20"))
    client.close(1000, "\n" + forged)
    until(lambda: not server.live)
    told = [line for line in lines() if "forged" in line]
    assert len(told) == 2
    assert not [line for line in told if line.startswith(forged)]


@pytest.mark.parametrize(
    ("subject", "told"),
    [(None, None), ("ada", "ada"), ("client:billing", "client:billing"), ("client:", None)],
)
def test_whom_a_connection_is_stands_there_if_it_has_a_name(
    subject: str | None, told: str | None
) -> None:
    connection: Any = SimpleNamespace(id="1", peer_name="p", path="/ws", subject=subject)
    for form in ("text", "json"):
        lines = written(configure_logging, "info", form)
        log_open(connection)
        (line,) = lines()
        if form == "json":
            assert json.loads(line)["subject"] == told
        else:
            assert line.endswith("open 1 p /ws" + (f" as {told}" if told else ""))
