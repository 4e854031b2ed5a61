"""A clock for the tests of tokens."""

from __future__ import annotations

import pytest

from .issuing import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that tokens are issued, spent and revoked by."""
    standing = Clock()
    monkeypatch.setattr("fws_gevent.tokens.service.time", standing)
    return standing
