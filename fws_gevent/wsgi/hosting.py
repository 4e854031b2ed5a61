"""The server of a handler, as the handler knows it."""

from __future__ import annotations

from typing import Protocol

from ..node.node import Node
from .connections import HTTPConnections


class HostingServer(Protocol):
    """A server that has a node, and counts its HTTP connections."""

    @property
    def node(self) -> Node:
        """The node of which upgrade requests become connections."""

    @property
    def http(self) -> HTTPConnections:
        """The connections that are not WebSockets."""
