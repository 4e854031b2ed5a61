"""Waiting for what must come, with an end."""

from __future__ import annotations

import socket
from collections.abc import Callable

import gevent

from .clients import PATIENCE


def until(condition: Callable[[], object]) -> None:
    """Let the greenlets work until `condition` holds."""
    with gevent.Timeout(PATIENCE):
        while not condition():
            gevent.sleep(0.005)


def free_port() -> int:
    """A TCP port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
