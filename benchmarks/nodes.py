"""Measure several nodes over Redis: delivery on another node, publishing, reconnecting."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis
from processes import HERE, HOST, ROOT, START, free_port, serving
from usage import cpu_seconds
from wire import Sockets, masked_frame, open_sockets, plain_frame

CLIENTS, MESSAGES = 500, 400
PAYLOAD = b"x" * 128
AWAY = 3.0


@contextmanager
def redis_server(
    folder: Path, port: int, persistent: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a Redis; a persistent one writes everything to disk before it answers."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise SystemExit("redis-server is not installed")
    process = subprocess.Popen(
        [binary, "--port", str(port), "--bind", HOST, "--dir", str(folder), "--save", "",
         *(["--appendonly", "yes", "--appendfsync", "always"] if persistent else []),
            "--logfile", str(folder / "log")]
    )  # fmt: skip
    try:
        client = redis.Redis(port=port)
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.02)
        client.close()
        yield process
    finally:
        process.kill()
        process.wait()


def node(port: int, url: str | None) -> list[str]:
    """Return the command of a node."""
    command = [sys.executable, str(HERE / "server.py"), "-p", str(port), "--log_level", "error"]
    return command if url is None else [*command, "--redis_url", url]


def wait_until_ready(port: int) -> None:
    """Wait until a node receives from the others; it listens on its port a moment earlier."""
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(HOST, port, timeout=START)
        connection.request("GET", "/fws/readyz")
        if connection.getresponse().status == http.HTTPStatus.OK:
            return
        time.sleep(0.05)
    raise SystemExit(f"the node on port {port} isn't ready after {START:g} s")


def deliver(sender_port: int, port: int, pid: int) -> float:
    """Return the seconds of CPU for one delivery, when one client sends to `CLIENTS` others."""
    receivers = Sockets(open_sockets(port, "/", CLIENTS))
    (sender,) = open_sockets(sender_port, "/fan", 1)
    wanted = len(plain_frame(1, PAYLOAD)) * CLIENTS
    used = 0.0
    for round_ in range(MESSAGES + 20):
        if round_ == 20:
            used = cpu_seconds(pid)
        sender.sendall(masked_frame(1, PAYLOAD))
        missing = wanted
        while missing:
            for descriptor in receivers.poll(10.0):
                missing -= receivers.read(descriptor)
    seconds = cpu_seconds(pid) - used
    sender.close()
    for each in receivers.by_descriptor.values():
        each.close()
    return seconds / (MESSAGES * CLIENTS)


def measure_deliveries(url: str) -> None:
    """Print the cost of a delivery on another node, and on one without Redis."""
    with ExitStack() as stack:
        ports = [free_port() for _ in range(3)]
        processes = [
            stack.enter_context(serving(node(port, where), port))
            for port, where in zip(ports, (url, url, None), strict=True)
        ]
        away, local = [], []
        for _ in range(5):
            away.append(deliver(ports[0], ports[1], processes[1].pid))
            local.append(deliver(ports[2], ports[2], processes[2].pid))
    first, second = sorted(away)[2] * 1e6, sorted(local)[2] * 1e6
    print(f"delivery to one of {CLIENTS} clients of another node: {first:.2f} us of its CPU; "
          f"on one node without Redis {second:.2f} us; ratio {first / second:.2f}")  # fmt: skip


def measure_coming_back(folder: Path, port: int, servers: Sequence[int]) -> None:
    """Print the time from the return of Redis, killed for `AWAY` s, to the first message."""
    (receiver,) = Sockets(open_sockets(servers[1], "/", 1)).by_descriptor.values()
    receiver.setblocking(True)
    receiver.settimeout(30)
    time.sleep(AWAY)
    with redis_server(folder, port, persistent=True):
        back = time.monotonic()
        (sender,) = open_sockets(servers[0], "/fan", 1)
        sender.sendall(masked_frame(1, PAYLOAD))
        receiver.recv(4096)
        print(f"flowing again {time.monotonic() - back:.3f} s after Redis answers")
        sender.close()
    receiver.close()


def main() -> None:
    """Measure everything on a new Redis."""
    folder = Path(tempfile.mkdtemp(prefix="fws-nodes-"))
    port = free_port()
    url = f"redis://{HOST}:{port}/0"
    try:
        with redis_server(folder, port):
            measure_deliveries(url)
            command = [sys.executable, str(HERE / "publishing.py"), url]
            subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        with ExitStack() as stack:
            ports = [free_port(), free_port()]
            with redis_server(folder, port, persistent=True):
                for each in ports:
                    stack.enter_context(serving(node(each, url), each))
                    wait_until_ready(each)
            measure_coming_back(folder, port, ports)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
