"""The Lua scripts, ready to be called."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..redis_processes import RedisProcess
from .script_calls import STREAM, Calls, Listener


@pytest.fixture
def calls(redis_server: RedisProcess) -> Iterator[Calls]:
    """Calls scripts of an empty Redis."""
    client = redis_server.client()
    yield Calls(client)
    client.close()


@pytest.fixture
def listener(calls: Calls) -> Iterator[Listener]:
    """Hears what is sent to the group that the calls are about."""
    made = Listener(calls.client, STREAM)
    yield made
    made.close()
