"""Servers with pages beside their WebSockets, in each way of running."""

from __future__ import annotations

import re
from pathlib import Path

from ..clients import frame, upgrade
from ..raw_http import request
from .ways import COMMAND, STOCK, Site

WS = "/ws"
"""Return the path of the WebSockets of such a server."""

PAGES = """
from flask import Flask
from fws_gevent import FilteredWebSocket

app = Flask(__name__)
FilteredWebSocket(app)
"""


def with_pages(way: str, home: Path) -> tuple[str, ...]:
    """Return the flags for a server with the pages under /fws/ (`more` of `start_site`)."""
    (home / "way_pages.py").write_text(PAGES)
    return ("--app", "way_pages:app") if way == COMMAND else ("way_pages:app",)


def page(site: Site, path: str) -> tuple[int, str]:
    """Return the status and the text of a page."""
    (answer,) = site.exchange(request(f"GET {path} HTTP/1.1", "Connection: close"))
    return answer.status, answer.body.decode()


def metric(site: Site, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples that have these labels."""
    status, text = page(site, "/fws/metrics")
    assert status == 200, text
    samples = re.findall(rf"^{name}{{(.*)}} (\S+)$", text, re.MULTILINE)
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return sum(float(value) for given, value in samples if all(each in given for each in wanted))


def refusal(site: Site, path: str = WS, headers: tuple[str, ...] = ()) -> tuple[int, str | None]:
    """Return the refusal of an upgrade request: status and Retry-After, or close code and None.

    The stock worker has answered 101 before it asks, so its refusal is a close code.
    """
    if site.way == STOCK:
        client = site.client(path, headers=headers)
        code, _ = client.frame().close
        assert client.at_end()
        return code, None
    (answer,) = site.exchange(upgrade(site.port, path, headers) + frame(1, b"behind it"))
    return answer.status, answer.headers.get("retry-after")
