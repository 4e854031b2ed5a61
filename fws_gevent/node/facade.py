"""The node of a server, as programs reach it."""

from __future__ import annotations

from typing import Any

from ..errors import CloseCode
from ..protocol.payload import Data
from ..settings import Settings
from ..signals import Member
from ..storage.base import BaseStorageObject
from ..tokens import Tokens
from .consumer import ConsumerQueue
from .members import Users
from .node import Node


class NodeFacade:
    """A server that has a node: what programs use of that node, under the same names."""

    node: Node

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self.node.settings

    @property
    def users(self) -> Users:
        """The connections of this node, by id."""
        return self.node.users

    @property
    def groups(self) -> dict[str, Users]:
        """The connections of this node by group, and by id in each."""
        return self.node.groups

    @property
    def queue(self) -> ConsumerQueue:
        """The queue of the consumer chain: `queue.put(data)`."""
        return self.node.queue

    @property
    def storage_object(self) -> BaseStorageObject:
        """The storage that filters share."""
        return self.node.storage_object

    @property
    def tokens(self) -> Tokens:
        """The tokens, to issue and to check them."""
        return self.node.tokens

    @property
    def live(self) -> int:
        """The number of connections whose disconnect event is still to come."""
        return self.node.live

    @property
    def healthy(self) -> bool:
        """Return whether the storage can be used now, and the other nodes are heard."""
        return self.node.healthy

    def print(self, text: str) -> None:
        """Print a line to standard output without waiting for its reader."""
        self.node.print(text)

    def broadcast(self, data: Data, group: str | None = None, exclude: Any = None) -> None:
        """Send to all connections, or to those in a group; see `Node.broadcast`."""
        self.node.broadcast(data, group, exclude)

    def broadcast_here(self, data: Data, group: str | None = None) -> None:
        """Send to the connections of this node only; see `broadcast`."""
        self.node.broadcast_here(data, group)

    def members(self, group: str) -> list[Member]:
        """Return the members of a group on all nodes; see `Node.members`."""
        return self.node.members(group)

    def disconnect(
        self,
        *,
        subject: str | None = None,
        id: str | None = None,  # noqa: A002 - the name of a connection for filters
        code: int = CloseCode.NORMAL,
        reason: str = "disconnected by the application",
    ) -> int:
        """Close the connections of a subject, or the one with an id; see `Node.disconnect`."""
        return self.node.disconnect(subject=subject, id=id, code=code, reason=reason)
