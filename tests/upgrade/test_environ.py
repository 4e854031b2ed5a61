"""The facts of a request in a WSGI environ that another server made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from fws_gevent.upgrade.environ import mend_cookies

from ..clients import ROOT
from ..conftest import Start
from ..gunicorns import WORKER
from ..raw_http import exchange, request

SITE = """
from fws_gevent.application import build_application

def page(environ, start_response):
    body = environ.get("HTTP_COOKIE", "-").encode("latin-1")
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

app = build_application(page)
"""


@pytest.mark.parametrize(
    ("fields", "joined", "mended"),
    [
        ([], None, None),
        ([("COOKIE", "a=1; b=2")], "a=1; b=2", "a=1; b=2"),
        ([("COOKIE", "a=1,2")], "a=1,2", "a=1,2"),
        ([("COOKIE", "a=1"), ("HOST", "x"), ("Cookie", "b=2")], "a=1,b=2", "a=1; b=2"),
        ([("COOKIE", "a=1,2"), ("COOKIE", "b=2; c=3")], "a=1,2,b=2; c=3", "a=1,2; b=2; c=3"),
    ],
)
def test_cookie_headers_are_joined_to_one_list(
    fields: list[tuple[str, str]], joined: str | None, mended: str | None
) -> None:
    environ: dict[str, Any] = {} if joined is None else {"HTTP_COOKIE": joined}
    mend_cookies(environ, fields)
    assert environ.get("HTTP_COOKIE") == mended


def test_under_our_worker_the_application_reads_the_cookies_of_each_header(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "cookie_site.py").write_text(SITE, "utf-8")
    gunicorn = start(
        "-m", "gunicorn", "-k", WORKER, "-b", "127.0.0.1:0", "cookie_site:app",
        cwd=tmp_path, environ={"PYTHONPATH": os.pathsep.join((str(ROOT), str(tmp_path)))},
    )  # fmt: skip
    port = int(gunicorn.wait_for(r"Listening at: http://127\.0\.0\.1:(\d+)")[1])
    cookies = ("Cookie: a=1", "X-Y: z", "Cookie: b=2,3; c=4")
    (answer,) = exchange(port, request("GET / HTTP/1.1", *cookies, "Connection: close"))
    assert answer.body == b"a=1; b=2,3; c=4"
