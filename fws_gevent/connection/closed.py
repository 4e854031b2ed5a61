"""The end of a connection, as disconnect filters are told of it."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import CloseCode


class Closed(NamedTuple):
    """A close code and its reason: the `data` of the disconnect event."""

    code: int
    reason: str


LOST = Closed(CloseCode.ABNORMAL, CloseCode.ABNORMAL.meaning)
"""The end of a connection without a Close (RFC 6455 §7.1.5)."""
