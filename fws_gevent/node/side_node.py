"""Owners of other connections on the loop of a node."""

from __future__ import annotations

from typing import Protocol

from .admission import Admission
from .shutdown import Drained


class SideNode(Drained, Protocol):
    """Another owner of connections on a node's loop, at a path of its own."""

    @property
    def admission(self) -> Admission:
        """Its admission control."""

    def on_fork(self) -> None:
        """Have no connections, in a forked child."""
