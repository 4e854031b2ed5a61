"""Run servers as child processes: pin them, wait for them, and end them."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "benchmarks"
BUILD = ROOT / "build"

HOST = "127.0.0.1"
START = 15.0
"""Seconds within which a server must listen."""
END = 5.0
"""Seconds within which a server must end; then it is killed."""


class ServerFailed(Exception):
    """Raised if a server ended by itself, or didn't listen; the text gives the reason."""


def free_port() -> int:
    """Return a port without a listener."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def processors() -> tuple[int | None, int | None]:
    """Return one processor for a server and another for its client, if there are two."""
    if not hasattr(os, "sched_setaffinity"):
        return None, None
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[-1]) if len(allowed) > 1 else (None, None)


@contextmanager
def pinned(processor: int | None) -> Iterator[None]:
    """Run processes that are started in this context on `processor` only."""
    if processor is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {processor})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def serving(
    command: Sequence[str], port: int, processor: int | None = None, log: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a server that listens on `port`, then end it; its errors go to `log`.

    Raises ServerFailed.
    """
    environment = {name: text for name, text in os.environ.items() if not name.startswith("FWS_")}
    environment["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryFile() if log is None else log.open("w+b") as errors:
        with pinned(processor):
            server = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=errors, env=environment
            )
        try:
            _wait_for(server, port, errors)
            yield server
            if server.poll() is not None:
                raise ServerFailed(f"the server ended by itself: {_last_line(errors)}")
        finally:
            end(server)


def _wait_for(server: subprocess.Popen[bytes], port: int, errors: IO[bytes]) -> None:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise ServerFailed(f"the server didn't start: {_last_line(errors)}")
        try:
            socket.create_connection((HOST, port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise ServerFailed(f"the server didn't listen within {START:g} s")


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that we started: with SIGTERM, then with SIGKILL."""
    process.terminate()
    try:
        process.wait(END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
