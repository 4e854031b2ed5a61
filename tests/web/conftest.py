"""Sites: Flask applications with the extension, behind real servers of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gevent
import pytest
from flask import Flask

from fws_gevent.extension import FilteredWebSocket
from fws_gevent.filters.base import FilterBase
from fws_gevent.server import build_server

from ..clocks import ShiftedClock
from .sites import CLIENTS, KEY, Site

MakeSite = Callable[..., Site]


@pytest.fixture
def clients_file(tmp_path: Path) -> str:
    """Return the file of the clients whose secrets are in `sites`."""
    path = tmp_path / "clients.json"
    path.write_text(CLIENTS)
    return str(path)


@pytest.fixture
def make_site(clients_file: str) -> Iterator[MakeSite]:
    """Return a function that starts a site: make_site([Echo], token_rate=5). Auth is required."""
    sites: list[Site] = []

    def make(filters: Sequence[type[FilterBase]] = (), **settings: Any) -> Site:
        app = Flask("site")
        given = {"port": 0, "grace": 2.0, "auth": "required", "signing_key": KEY,
                 "token_clients": clients_file, **settings}  # fmt: skip
        app.config.update({f"FWS_{name.upper()}": value for name, value in given.items()})
        clock = ShiftedClock()
        fws = FilteredWebSocket(app, filters=filters, clock=clock)
        server = build_server(application=app)
        site = Site(app, fws, server, clock)
        sites.append(site)
        server.start()
        return site

    yield make
    for site in sites:
        with gevent.Timeout(20):
            site.server.stop(timeout=0.2)


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    """Return a site with the usual settings, and without filters."""
    return make_site()
