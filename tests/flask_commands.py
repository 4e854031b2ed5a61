"""Run `flask fws …` as users do, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from .clients import PATIENCE, ROOT
from .tokens.issuing import SECRET

SITE = f"""\
from flask import Flask
from fws_gevent import FilteredWebSocket
from fws_gevent.filters.base import WebSocketMessageFilter

app = Flask(__name__)
app.config.update(FWS_AUTH="required", FWS_SIGNING_KEY="{SECRET}", FWS_GRACE=2)

class Talk(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        if data.text.startswith("join "):
            web_socket_instance.join(data.text[5:])
        web_socket_instance.send(data)

fws = FilteredWebSocket(app)

@app.get("/")
def page():
    return "the page"
"""


class Done(NamedTuple):
    """A command that ended."""

    status: int
    out: str
    err: str


def flask(
    folder: Path, *arguments: str, stdin: str = "", app: str | None = "site_of_mine", **environ: str
) -> Done:
    """Run `flask --app APP fws …` to its end."""
    inherited = {name: value for name, value in os.environ.items() if name[:4] != "FWS_"}
    named = [] if app is None else ["--app", app]
    done = subprocess.run(
        [sys.executable, "-m", "flask", *named, "fws", *arguments],
        cwd=folder, input=stdin, capture_output=True, text=True, timeout=PATIENCE * 2,
        env={**inherited, "PYTHONPATH": str(ROOT), **environ}, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def why(done: Done) -> str:
    """Return the only line of a command that failed."""
    assert done.status == 2, done
    assert done.out == ""
    assert done.err.count("\n") == 1, done.err
    assert done.err.startswith("flask fws: error: "), done.err
    return done.err[len("flask fws: error: ") : -1]
