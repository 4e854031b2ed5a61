"""The contract of brokers: what carries the messages of groups between nodes."""

from __future__ import annotations

import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from ..loop.supervision import Loop
from ..signals import Member
from .host import BrokerHost

heard_everywhere: ContextVar[bool] = ContextVar("fws_heard_everywhere", default=False)
"""True during an event of the consumer chain that every node gets: a broadcast is local then."""


class Broker(ABC):
    """Carries the messages of groups to their members on all nodes.

    A broker serves one node, its host. The node calls `attach` once, when it is made, and `start`
    and `stop` when it starts and stops. Before `start`, and in a forked child, a broker publishes
    but receives nothing. Its methods are called in the thread of the host's loop; only `publish`
    may be called from any thread.
    """

    shared = False
    """True if there may be other nodes."""

    def attach(self, host: BrokerHost) -> None:
        """Serve `host` from now on. Never waits."""
        self.host = host

    # Lifecycle.

    @abstractmethod
    def start(self) -> None:
        """Begin to receive. Waits a few seconds at most."""

    @abstractmethod
    def on_fork(self) -> None:
        """Stop receiving, in a forked child, without telling the other nodes. Never waits."""

    @abstractmethod
    def stop(self) -> None:
        """Tell the other nodes, and stop; do nothing if not started. Waits a few seconds."""

    # State.

    @property
    @abstractmethod
    def node_name(self) -> str:
        """The unique name of this node."""

    @property
    @abstractmethod
    def healthy(self) -> bool:
        """Return whether this node receives the messages of the others."""

    @property
    @abstractmethod
    def others(self) -> Sequence[dict[str, Any]]:
        """The last status of each other node (see `BrokerHost.summary`)."""

    @property
    @abstractmethod
    def losses(self) -> int:
        """The number of times that the connection to the other nodes was lost."""

    @property
    @abstractmethod
    def gaps(self) -> int:
        """The number of gaps: messages that this node has missed."""

    @property
    @abstractmethod
    def loops(self) -> Sequence[Loop]:
        """The background tasks."""

    # Messages.

    @abstractmethod
    def publish(
        self, opcode: int, payload: bytes | bytearray, group: str | None, exclude: str
    ) -> None:
        """Send a message to the members of a group on all nodes, or to everybody.

        All members get the messages of a group in the same order. Returns when the broker has the
        message, and may wait for that.

        Args:
            opcode: TEXT or BINARY.
            payload: The message. The broker keeps no reference to it.
            group: The group, or None for everybody.
            exclude: The id of a connection that does not get it, or "".

        Raises:
            PublishFailed: The broker did not accept the message in time.
            GroupNameInvalid: `group` can't be the name of a group.
        """

    @abstractmethod
    def disconnect(self, subject: str | None, name: str | None, code: int, reason: str) -> int:
        """Close a subject's connections, or the one with an id, on all nodes. May wait.

        Returns:
            The number of these connections; one on another node, given by its id, is not counted.

        Raises:
            PublishFailed: The other nodes can't be told.
            StorageAway: The other nodes were told, but the number is not known.
            GroupNameInvalid: `subject` can't be the subject of a token.
        """

    # Members.

    @abstractmethod
    def join(
        self, group: str, member: str, subject: str | None, *, first: bool, wait: bool = True
    ) -> None:
        """Note that a connection of this node has joined a group.

        With `wait`, it returns when no later message to the group can be missed, or after a few
        seconds: a gap is reported then. Without `wait`, it returns at once, and later messages
        reach the connection as soon as the broker has confirmed the join, perhaps with a few that
        were published just before.

        Args:
            group: The group. `BrokerHost.groups` has the connection already.
            member: The id of the connection.
            subject: The subject of its token.
            first: True for the first member of the group on this node.
            wait: False to return at once. In the hub it never waits.
        """

    @abstractmethod
    def leave(self, group: str, member: str, *, last: bool) -> None:
        """Note that a connection of this node has left a group. Never waits.

        Args:
            group: The group. `BrokerHost.groups` does not have the connection any more.
            member: The id of the connection.
            last: True if the group has no member left on this node.
        """

    @abstractmethod
    def members(self, group: str) -> list[Member]:
        """Return the members of a group on all nodes. May wait.

        Raises:
            StorageAway: The other nodes' members are not known now.
        """

    def members_here(self, group: str) -> list[Member]:
        """Return the members of a group on this node. Never waits."""
        members = self.host.groups.get(group)
        if members is None:
            return []
        node = self.node_name
        return [Member(group, each.id, each.subject, node) for each in members.values()]


def process_name() -> str:
    """Return the host and the id of this process as one name."""
    return f"{socket.gethostname()}:{os.getpid()}"
