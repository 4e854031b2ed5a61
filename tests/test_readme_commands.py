"""The commands of the README work with its application and key."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from fws_gevent.tokens.keys import MIN_SECRET

from .conftest import Connect, Start
from .flask_commands import flask
from .node.guarded import bearer
from .test_readme import FLASK, blocks


def test_the_commands_beside_its_application_work(
    tmp_path: Path, start: Start, connect: Connect
) -> None:
    (tmp_path / "app.py").write_text(FLASK)
    made = re.search(r"^export FWS_SIGNING_KEY=\$\((.*)\)$", "".join(blocks("sh")), re.MULTILINE)
    assert made is not None
    key = subprocess.run(
        ["/bin/sh", "-c", made[1]], capture_output=True, text=True, check=True,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    environ = {"FWS_SIGNING_KEY": key.stdout.strip()}
    assert len(environ["FWS_SIGNING_KEY"]) >= MIN_SECRET
    port = start("-m", "flask", "fws", "run", "-p", "0", cwd=tmp_path, environ=environ).port()
    url = ("--url", f"http://127.0.0.1:{port}")

    def run(*arguments: str) -> str:
        done = flask(tmp_path, *arguments, app="app", **environ)
        assert (done.status, done.err) == (0, ""), done
        return done.out

    token = run("token", "ada", "--group", "room:*").strip()
    client = connect(port, "/ws", headers=bearer(token))
    client.send("room:tea hello")
    assert client.receive() == "hello"
    assert run("publish", "Tea is ready", *url) == "sent\n"
    assert run("publish", "for tea", "--group", "room:tea", *url) == "sent\n"
    assert [client.receive(), client.receive()] == ["Tea is ready", "for tea"]
    assert "connections: 1 now" in run("status", *url)
    assert run("revoke", "--subject", "ada", *url) == "revoked\n"
    assert client.frame().close == (4401, "the token was revoked")
