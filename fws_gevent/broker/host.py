"""The node that a broker serves, as the broker knows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..connection.connection import Connection
from ..loop.reactor import Reactor
from ..signals import Member


class EventQueue(Protocol):
    """The events that wait for the consumer chain of a node."""

    def offer(self, data: dict[str, Any]) -> bool:
        """Have the chain run on an event that every node gets; return False if it is full."""


class BrokerHost(Protocol):
    """The node of a broker. Methods that tell of events call subscribers, which may wait."""

    @property
    def reactor(self) -> Reactor:
        """The loop that serves the node's connections."""

    @property
    def groups(self) -> Mapping[str, Mapping[str, Connection]]:
        """This node's connections by group, and by id in each."""

    @property
    def queue(self) -> EventQueue:
        """The queue of this node's consumer chain."""

    def spread(
        self, opcode: int, payload: bytes | bytearray, group: str | None, exclude: str
    ) -> int:
        """Send to this node's members of a group; return their number.

        Only for calls in the thread of the loop, with a valid name.
        """

    def send_here(
        self, opcode: int, payload: bytes | bytearray, group: str | None, exclude: str
    ) -> None:
        """Send to this node's members of a group, from any thread. Raises GroupNameInvalid."""

    def disconnect_here(self, group: str | None, name: str | None, code: int, reason: str) -> int:
        """Close this node's connection with an id, or those of a group; return their number."""

    def hears_members(self, *, joined: bool) -> bool:
        """Return whether joins, or leaves, have a subscriber."""

    def tell_member(self, member: Member, *, joined: bool) -> None:
        """Tell of a member that joined or left on another node."""

    def tell_gap(self, group: str | None, reason: str) -> None:
        """Tell that messages to a group are missing on this node; None is everybody."""

    def summary(self) -> dict[str, Any]:
        """Return the status of this node, which the other nodes get."""
