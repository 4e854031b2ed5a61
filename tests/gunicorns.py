"""Start gunicorn with our own worker, as users do."""

from __future__ import annotations

import os
import re
import socket
import ssl
from pathlib import Path
from typing import NamedTuple

from .certificates import Identity
from .clients import PATIENCE, ROOT, Command
from .conftest import Start
from .raw_http import Answer, parse, read_to_end

WORKER = "fws_gevent.worker.FilteredWebSocketWorker"
STOCK = "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"

PLAIN = """
from fws_gevent.application import build_application


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
    return [b"hello\\n"]


app = build_application(hello)
"""


SLOW = """
import time
from pathlib import Path
from fws_gevent.application import build_application

def page(environ, start_response):
    print("asked", flush=True)
    while not Path(__file__).with_suffix(".go").exists():
        time.sleep(0.01)
    start_response("200 OK", [("Content-Length", "4")])
    return [b"done"]

app = build_application(page)
"""
"""An application that waits for a file `slow.go` beside its own before it answers."""


class Running(NamedTuple):
    """A running gunicorn."""

    command: Command
    port: int
    tls: bool

    def open(self) -> socket.socket:
        """Return a silent connection."""
        bare = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        if not self.tls:
            return bare
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(bare)

    def exchange(self, data: bytes) -> list[Answer]:
        """Send `data`, and read answers until gunicorn closes the connection."""
        with self.open() as client:
            client.sendall(data)
            return parse(read_to_end(client))

    def workers(self) -> list[str]:
        """Return the process ids of all workers started so far."""
        return re.findall(r"Booting worker with pid: (\d+)", self.command.output)


def run(
    start: Start, identity: Identity, home: Path, *more: str, tls: bool = False, **environ: str
) -> Running:
    """Start gunicorn on a free port; modules and its control socket are in `home`."""
    files = ["--keyfile", identity.key, "--certfile", identity.cert] if tls else []
    (home / "plain_site.py").write_text(PLAIN)
    app = [] if any(":" in each for each in more[-1:]) else ["plain_site:app"]
    path = os.pathsep.join((str(ROOT), str(home)))
    command = start(
        "-m", "gunicorn", "-k", WORKER, "-b", "127.0.0.1:0", "--graceful-timeout", "3",
        "--access-logfile", "-", *files, *more, *app,
        environ={"HOME": str(home), "PYTHONPATH": path, **environ},
    )  # fmt: skip
    port = int(command.wait_for(r"Listening at: https?://127\.0\.0\.1:(\d+) ")[1])
    # A worker that gets the signal while it starts misses it.
    command.wait_for("Booting worker")
    return Running(command, port, tls)


def read_until(client: socket.socket, end: bytes) -> bytes:
    """Read until the received bytes end with `end`."""
    received = b""
    while not received.endswith(end):
        data = client.recv(65536)
        assert data, received
        received += data
    return received
