"""Measure the cost of the pages: tokens over HTTP, and viewers of the status page."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from base64 import b64encode
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

from processes import HOST, free_port, processors, serving
from usage import cpu_seconds
from websockets.sync.client import ClientConnection, connect

from fws_gevent.settings import Settings
from fws_gevent.tokens import Tokens
from fws_gevent.tokens.clients import new_secret
from fws_gevent.tokens.keys import KeyRing

KEY = "k" * 32
CLIENTS = 4
REQUESTS = 1_000  # of each client
WATCHERS = 10
SECONDS = 10.0


def ask_for_tokens(port: int, secret: str) -> None:
    """Ask for tokens over one connection, one after the other."""
    headers = {
        "Authorization": "Basic " + b64encode(f"bench:{secret}".encode()).decode(),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    client = HTTPConnection(HOST, port, timeout=10)
    for _ in range(REQUESTS):
        client.request("POST", "/fws/token", b"grant_type=client_credentials", headers)
        answer = client.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"/fws/token answered {answer.status}")
    client.close()


def measure_tokens(port: int, pid: int, secret: str) -> None:
    """Print the number of tokens a second over HTTP, and the cost of one."""
    threads = [threading.Thread(target=ask_for_tokens, args=(port, secret)) for _ in range(CLIENTS)]
    begun, used = time.monotonic(), cpu_seconds(pid)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, cpu = time.monotonic() - begun, cpu_seconds(pid) - used
    requests = CLIENTS * REQUESTS
    print(f"tokens over HTTP: {requests / seconds:,.0f} a second, "
          f"{cpu / requests * 1e6:.0f} us each, {requests / cpu:,.0f} a second of CPU")  # fmt: skip


def measure_watchers(port: int, pid: int) -> None:
    """Print the load that ten viewers of the status page add to an idle server."""
    settings = Settings(signing_key=KEY)
    token = Tokens(settings, KeyRing.from_settings(settings)).issue("ops", scope="status")
    headers = {"Authorization": f"Bearer {token}"}
    url = f"ws://{HOST}:{port}/fws/status/live"
    idle = _part_of_a_core(pid)
    with ExitStack() as stack:
        for _ in range(WATCHERS):
            watching = stack.enter_context(connect(url, additional_headers=headers))
            threading.Thread(target=_listen, args=(watching,), daemon=True).start()
        watched = _part_of_a_core(pid)
    print(f"{WATCHERS} viewers of the status page: {watched:.2%} of a core, idle {idle:.2%}")


def _part_of_a_core(pid: int) -> float:
    used = cpu_seconds(pid)
    time.sleep(SECONDS)
    return (cpu_seconds(pid) - used) / SECONDS


def _listen(watching: ClientConnection) -> None:
    for _ in watching:
        pass


def main() -> None:
    """Start a server, measure and print."""
    secret, hashed = new_secret()
    with tempfile.TemporaryDirectory() as folder:
        clients, settings = Path(folder) / "clients.json", Path(folder) / "settings.json"
        clients.write_text(json.dumps({"bench": {"secret": hashed}}))
        settings.write_text(
            json.dumps({"signing_key": KEY, "token_clients": str(clients), "token_rate": 0,
                        "log_level": "warning"})
        )  # fmt: skip
        port = free_port()
        command = [sys.executable, "-m", "fws_gevent", "-p", str(port), "-c", str(settings)]
        with serving(command, port, processors()[0]) as server:
            measure_tokens(port, server.pid, secret)
            measure_watchers(port, server.pid)


if __name__ == "__main__":
    main()
