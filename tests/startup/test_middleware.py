"""The middleware of a Flask application refuses a server that doesn't know of it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from typing import Any

import pytest

from fws_gevent.extension import FilteredWebSocket
from fws_gevent.server import build_server

from ..flask_sites import flask_app, get

hidden: dict[str, Any] = {}


def test_an_application_that_comes_later_is_not_served_without_its_websockets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        found: Iterable[bytes] = hidden["app"](environ, start_response)
        return found

    server = build_server(Namespace(port=0), application=application)
    app = hidden["app"] = flask_app()
    FilteredWebSocket(app)
    server.start()
    try:
        for _ in range(2):
            page = get(server, "/")
            assert page.status == 500
            assert "doesn't know the FilteredWebSocket" in page.body
    finally:
        server.stop(0.2)
        hidden.clear()
    told = [each for each in caplog.messages if "make the application before build_server" in each]
    assert len(told) == 1
