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
"""Whether every node gets the present event of the consumer chain: a broadcast is local then."""


class Broker(ABC):
    """Carries the messages of groups to their members, on whatever node they are.

    A broker serves one node, its host: `attach` is called once, with the node's construction,
    `start` and `stop` with its life. Between `attach` and `start`, and in a forked child, it
    publishes and hears nothing. Its methods are called in greenlets on the thread of the host's
    loop; `publish` is safe from any thread.
    """

    shared = False
    """Whether there may be other nodes."""

    def attach(self, host: BrokerHost) -> None:
        """Serve `host` from now on. Never waits."""
        self.host = host

    # Its life.

    @abstractmethod
    def start(self) -> None:
        """Begin to hear the other nodes. Waits a few seconds at most."""

    @abstractmethod
    def on_fork(self) -> None:
        """Hear nobody and take no part, in a forked child. Never waits."""

    @abstractmethod
    def stop(self) -> None:
        """Say good-bye and end; does nothing if it is not started. Waits a few seconds at most."""

    # Its state.

    @property
    @abstractmethod
    def node_name(self) -> str:
        """The name of this node, which no other node has."""

    @property
    @abstractmethod
    def healthy(self) -> bool:
        """Return whether this node hears the others."""

    @property
    @abstractmethod
    def others(self) -> Sequence[dict[str, Any]]:
        """What the other nodes said of themselves lately (see `BrokerHost.summary`)."""

    @property
    @abstractmethod
    def losses(self) -> int:
        """How often the connection to the other nodes was lost."""

    @property
    @abstractmethod
    def gaps(self) -> int:
        """How often messages were found missing."""

    @property
    @abstractmethod
    def loops(self) -> Sequence[Loop]:
        """Its background tasks."""

    # Messages.

    @abstractmethod
    def publish(
        self, opcode: int, payload: bytes | bytearray, group: str | None, exclude: str
    ) -> None:
        """Send to a group's members on all nodes; None is everybody.

        All members get the messages of one group in one order. Returns when the broker has the
        message, so it may wait.

        Args:
            opcode: TEXT or BINARY.
            payload: The message, which the broker doesn't keep a reference to.
            group: The group, or None.
            exclude: The id of a connection that doesn't get it, or "".

        Raises:
            PublishFailed: The broker did not take the message in time.
            GroupNameInvalid: `group` can't be the name of a group.
        """

    @abstractmethod
    def disconnect(self, subject: str | None, name: str | None, code: int, reason: str) -> int:
        """Close a subject's connections, or the one with an id, on all nodes. May wait.

        Returns:
            How many those are; the id of a connection of another node counts as none.

        Raises:
            PublishFailed: The other nodes can't be told.
            StorageAway: They were told, but how many connections that ends is not known.
            GroupNameInvalid: The subject can't be one.
        """

    # Members.

    @abstractmethod
    def join(
        self, group: str, member: str, subject: str | None, *, first: bool, wait: bool = True
    ) -> None:
        """Note that a connection of this node has joined a group.

        With `wait` it returns when nothing that is sent to the group can be missed, or a few
        seconds later; messages that are missed after that are told as a gap. Without, it returns
        at once: the connection gets what this node publishes to the group from then on, and what
        other nodes publish as soon as the broker has confirmed the join, which takes as long as a
        waiting join takes.

        Args:
            group: The group, whose connections `BrokerHost.groups` has already.
            member: The id of the connection.
            subject: The subject of its token.
            first: Whether it is the first of the group on this node.
            wait: Whether to wait for the broker. In the hub it never waits.
        """

    @abstractmethod
    def leave(self, group: str, member: str, *, last: bool) -> None:
        """Note that a connection of this node has left a group, as the last one here or not.

        Never waits.
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
    """Return a name of this process: its host and its id."""
    return f"{socket.gethostname()}:{os.getpid()}"
