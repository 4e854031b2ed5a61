"""The broker of a single node, which sends each message to the connections of this process."""

from __future__ import annotations

from typing import Any

from ..loop.supervision import Loop
from ..signals import Member
from ..tokens.claims import group_of
from .base import Broker, process_name


class MemoryBroker(Broker):
    """Carries messages within this process, where none can be lost."""

    healthy = True
    others: tuple[dict[str, Any], ...] = ()
    losses = gaps = 0
    loops: tuple[Loop, ...] = ()

    def __init__(self) -> None:
        self._name = process_name()

    def start(self) -> None:
        """Take the name of the present process, which may be a child of the one that made this."""
        self._name = process_name()

    def on_fork(self) -> None:
        """Do nothing: the host forgets its connections itself."""

    def stop(self) -> None:
        """Do nothing: there are no other nodes."""

    @property
    def node_name(self) -> str:
        """The host and the id of the process."""
        return self._name

    def publish(
        self, opcode: int, payload: bytes | bytearray, group: str | None, exclude: str
    ) -> None:
        """Send to this node's members of a group. Never waits. Raises GroupNameInvalid."""
        self.host.send_here(opcode, payload, group, exclude)

    def disconnect(self, subject: str | None, name: str | None, code: int, reason: str) -> int:
        """Close connections of this node; return how many. Raises GroupNameInvalid."""
        group = None if subject is None else group_of(subject)
        return self.host.disconnect_here(group, name, code, reason)

    def join(
        self, group: str, member: str, subject: str | None, *, first: bool, wait: bool = True
    ) -> None:
        """Do nothing: the host has the connection in its groups."""

    def leave(self, group: str, member: str, *, last: bool) -> None:
        """Do nothing: the host has taken the connection out of its groups."""

    def members(self, group: str) -> list[Member]:
        """Return the members of a group on this node. Never waits."""
        return self.members_here(group)
