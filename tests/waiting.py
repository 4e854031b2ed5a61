"""Waiting for what must come, with an end."""

from __future__ import annotations

from collections.abc import Callable

import gevent

from .clients import PATIENCE


def until(condition: Callable[[], object]) -> None:
    """Let the greenlets work until `condition` holds."""
    with gevent.Timeout(PATIENCE):
        while not condition():
            gevent.sleep(0.005)
