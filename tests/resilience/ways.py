"""The three ways of running, seen from outside: a process, a port, a log."""

from __future__ import annotations

import os
import re
import socket
import ssl
from pathlib import Path
from typing import Any

from ..certificates import Identity
from ..clients import PATIENCE, ROOT, Client, Command
from ..conftest import Connect, Start
from ..raw_http import Answer, parse, read_to_end

COMMAND, STOCK, OURS = "command", "stock worker", "our worker"
WAYS = (COMMAND, STOCK, OURS)

WORKERS = {
    STOCK: "geventwebsocket.gunicorn.workers.GeventWebSocketWorker",
    OURS: "fws_gevent.worker.FilteredWebSocketWorker",
}

FILTERS, SITE = "way_filters", "way_site"

APPLICATION = """
from fws_gevent.application import build_application

app = build_application()
"""


class Site:
    """A server in a process of its own, in one of the three ways."""

    def __init__(self, way: str, command: Command, port: int, tls: bool, connect: Connect) -> None:
        self.way = way
        self.command = command
        self.port = port
        self.tls = tls
        self._connect = connect

    @property
    def pid(self) -> int:
        """Return the process with the sockets, under gunicorn that of the latest worker."""
        if self.way == COMMAND:
            return self.command.process.pid
        return int(re.findall(r"Booting worker with pid: (\d+)", self.command.output)[-1])

    @property
    def resident(self) -> int:
        """Return the bytes of memory that the process holds now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]

    @property
    def descriptors(self) -> int:
        """Return the number of open files and sockets of the process."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def client(self, path: str = "/", **more: Any) -> Client:
        """Return a WebSocket client after its handshake; it is dropped at the end of the test."""
        return self._connect(self.port, path, tls=self.tls, **more)

    def open(self) -> socket.socket:
        """Return a connection, after the TLS handshake and before any HTTP."""
        bare = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        if not self.tls:
            return bare
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(bare)

    def exchange(self, data: bytes) -> list[Answer]:
        """Send bytes, and return the HTTP answers up to the end of the stream."""
        with self.open() as client:
            client.sendall(data)
            return parse(read_to_end(client))

    @property
    def log(self) -> str:
        """Return the output so far."""
        return self.command.output


def start_site(
    way: str,
    start: Start,
    connect: Connect,
    home: Path,
    *,
    filters: str,
    identity: Identity | None = None,
    more: tuple[str, ...] = (),
    **settings: Any,
) -> Site:
    """Start a server on a free port. `settings` are `Settings` by name, lists as JSON.

    `filters` is the source of a module of filters; `more` are flags of gunicorn, or of the
    command; with an `identity` it speaks TLS.
    """
    (home / f"{FILTERS}.py").write_text(filters)
    (home / f"{SITE}.py").write_text(APPLICATION)
    environ = {
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(home))),
        "FWS_FILTERS": FILTERS,
        **{f"FWS_{name.upper()}": str(value) for name, value in settings.items()},
    }
    if way == COMMAND:
        tls = ["-key", identity.key, "-cert", identity.cert] if identity else []
        command = start("-m", "fws_gevent", "-p", "0", *tls, *more, cwd=home, environ=environ)
        return Site(way, command, command.port(), identity is not None, connect)
    tls = ["--keyfile", identity.key, "--certfile", identity.cert] if identity else []
    command = start(
        "-m", "gunicorn", "-k", WORKERS[way], "-b", "127.0.0.1:0",
        "-c", str(ROOT / "gunicorn.conf.py"), *tls, *more, f"{SITE}:app", cwd=home, environ=environ,
    )  # fmt: skip
    port = int(command.wait_for(r"Listening at: https?://127\.0\.0\.1:(\d+) ")[1])
    # A worker that is told to end during its start misses that.
    command.wait_for("Booting worker")
    return Site(way, command, port, identity is not None, connect)
