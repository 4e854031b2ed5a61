"""What the handler of requests needs of its server."""

from __future__ import annotations

from typing import Protocol

from ..node.node import Node
from .connections import HTTPConnections


class HostingServer(Protocol):
    """The server of a handler: it has a node, and counts its connections of HTTP."""

    @property
    def node(self) -> Node:
        """The node of which upgrade requests become connections."""

    @property
    def http(self) -> HTTPConnections:
        """The connections that are not WebSockets."""
