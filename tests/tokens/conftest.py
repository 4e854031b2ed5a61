"""A clock for the tests of tokens."""

from __future__ import annotations

import pytest

from ..clocks import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """The clock that tokens are issued, checked and revoked by: years behind the system's."""
    return ManualClock()
