"""Requests that don't become a WebSocket are answered with a reason."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from fws_gevent.logs.loggers import Repeats, get_logger
from fws_gevent.upgrade import refusals
from fws_gevent.upgrade.refusals import RIGHT_COMMAND, cannot_upgrade, only_websockets

Answer = tuple[str, dict[str, str], bytes]


def call(application: Any, **environ: str) -> Answer:
    """Return the answer of a WSGI application."""
    started: list[Any] = []
    body = b"".join(application(environ, lambda *given: started.append(given)))
    ((status, headers),) = started
    return status, {name.lower(): value for name, value in headers}, body


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the messages that are logged as errors."""
    lines: list[str] = []
    monkeypatch.setattr(refusals._log, "error", lambda text, *of: lines.append(text % of))
    return lines


def test_plain_http_is_answered_that_this_is_a_websocket_server(log: list[str]) -> None:
    status, headers, body = call(only_websockets)
    assert status == "426 Upgrade Required"
    assert headers["upgrade"] == "websocket"
    assert headers["sec-websocket-version"] == "13"
    assert headers["content-length"] == str(len(body))
    assert b"WebSocket server" in body
    assert log == []


@pytest.mark.parametrize("software", ["Werkzeug/3.1.3", None])
def test_a_server_that_cannot_upgrade_names_a_remedy(software: str | None, log: list[str]) -> None:
    environ = {} if software is None else {"SERVER_SOFTWARE": software}
    status, headers, body = call(
        partial(cannot_upgrade, told=Repeats(get_logger("server"))), **environ
    )
    assert status == "426 Upgrade Required"
    assert headers["upgrade"] == "websocket"
    assert headers["content-length"] == str(len(body))
    (line,) = log
    for told in (line, body.decode()):
        assert RIGHT_COMMAND in told
        assert (software or "unknown") in told
