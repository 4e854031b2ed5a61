"""Wait for a condition, with a time limit."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable

import gevent

from .clients import PATIENCE


def until(condition: Callable[[], object]) -> None:
    """Let greenlets run until `condition` holds."""
    with gevent.Timeout(PATIENCE):
        while not condition():
            gevent.sleep(0.005)


def free_port() -> int:
    """Return a TCP port of loopback without a listener.

    It is below the system's ephemeral ports, so that no other program gets it before its use.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
