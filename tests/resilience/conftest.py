"""Fixtures: real processes, in each of the three ways of running."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..conftest import Connect, Start
from .ways import WAYS, Site, start_site

Run = Callable[..., Site]

ECHO = """
from fws_gevent.filters.base import WebSocketMessageFilter


class Echo(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        web_socket_instance.send(data)
"""


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """Return one way of running after another."""
    chosen: str = request.param
    return chosen


@pytest.fixture
def run(way: str, start: Start, connect: Connect, tmp_path: Path) -> Run:
    """Return a function that starts a server in this way: run(FILTERS, max_connections=2).

    Its default filter echoes.
    """

    def begin(filters: str = ECHO, **more: Any) -> Site:
        return start_site(way, start, connect, tmp_path, filters=filters, **more)

    return begin
