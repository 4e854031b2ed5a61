"""Waiting for what must come, with an end."""

from __future__ import annotations

import random
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
    """A TCP port of loopback that nobody listens on now.

    It is below those that the system gives to whoever asks for any, so that nobody gets it before
    it is used.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
