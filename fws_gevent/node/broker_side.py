"""The side of a node that its broker knows."""

from __future__ import annotations

from collections.abc import Mapping

from ..connection.connection import Connection
from ..loop.reactor import Reactor
from ..signals import Member
from .consumer import ConsumerQueue
from .events import Events
from .members import Membership
from .statistics import Statistics


class BrokerSide:
    """The `BrokerHost` of a node: its members, and the events that the broker brings."""

    def __init__(
        self, membership: Membership, events: Events, queue: ConsumerQueue, statistics: Statistics
    ) -> None:
        self.reactor: Reactor = membership.reactor
        self.groups: Mapping[str, Mapping[str, Connection]] = membership.groups
        self.spread = membership.spread
        self.send_here = membership.send_here
        self.disconnect_here = membership.disconnect_here
        self.queue = queue
        self.summary = statistics.summary
        self._events = events

    def hears_members(self, *, joined: bool) -> bool:
        """Return whether joins, or leaves, have subscribers."""
        return self._events.hears_members(joined)

    def tell_member(self, member: Member, *, joined: bool) -> None:
        """Emit the event of a member that joined or left on another node."""
        self._events.emit_member(member, joined)

    def tell_gap(self, group: str | None, reason: str) -> None:
        """Emit the event of messages to a group that are missing here."""
        self._events.emit_gap(group, reason)
