"""The connections of a node, its groups, and messages to all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from ..broker.base import Broker, heard_everywhere
from ..errors import CloseCode, NotServing
from ..loop.inbox import Inbox
from ..loop.reactor import Reactor
from ..protocol.frames import check_close
from ..protocol.names import checked_group
from ..protocol.payload import COMPRESSED, Data, convert, frame_for
from ..signals import Member
from ..tokens.claims import SUBJECT_GROUP
from .events import Events

if TYPE_CHECKING:
    from ..connection.connection import Connection


class Users(dict[str, "Connection"]):
    """Connections by id. A loop over it may wait: it sees the connections at its beginning."""

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(super().keys()))

    def keys(self) -> tuple[str, ...]:  # type: ignore[override]
        """Return the present ids."""
        return tuple(super().keys())

    def values(self) -> tuple[Connection, ...]:  # type: ignore[override]
        """Return the present connections."""
        return tuple(super().values())

    def items(self) -> tuple[tuple[str, Connection], ...]:  # type: ignore[override]
        """Return the present ids with their connections."""
        return tuple(super().items())


_NOBODY = Users()

CLOSES = 256
"""Connections that `disconnect` closes at once, before other greenlets run."""

PUTS = 32
"""Connections to which putting one message counts as a unit of work (see `tasks.TURN`)."""


class Membership:
    """The connections of a node and its groups.

    `broker` reaches the members on other nodes; `events` emits joins and leaves.
    """

    def __init__(self, reactor: Reactor, broker: Broker, events: Events) -> None:
        self.reactor = reactor
        self.users = Users()
        self.groups: dict[str, Users] = {}
        self.subject_groups = 0
        """The number of these that are groups of subjects."""
        self.broker = broker
        self._events = events
        self.presence = Inbox(reactor)
        """Emits joins and leaves in a runner, where subscribers may wait."""

    def join(self, group: str, connection: Connection, *, wait: bool = True) -> None:
        """Put a connection into a group. With `wait`, it may wait for the broker.

        Raises GroupNameInvalid.
        """
        group = checked_group(group)
        if self.reactor.elsewhere():
            self.reactor.run_here(partial(self.join, group, connection, wait=wait))
            return
        members = self.groups.get(group)
        first = members is None
        if members is None:
            members = self.groups[group] = Users()
            self.subject_groups += group.startswith(SUBJECT_GROUP)
        if connection.id in members:
            return
        members[connection.id] = connection
        self._tell(group, connection, joined=True)
        self.broker.join(group, connection.id, connection.subject, first=first, wait=wait)

    def leave(self, group: str, connection: Connection) -> None:
        """Take a connection out of a group; a group ends with its last member. Never waits.

        Raises GroupNameInvalid.
        """
        if self.reactor.elsewhere():
            self.reactor.run_here(self.leave, group, connection)
            return
        members = self._members_of(group)
        if members is None or members.pop(connection.id, None) is None:
            return
        if not members:
            del self.groups[group]
            self.subject_groups -= group.startswith(SUBJECT_GROUP)
        self._tell(group, connection, joined=False)
        self.broker.leave(group, connection.id, last=not members)

    def _members_of(self, group: str) -> Users | None:
        """Return a group's connections here, or None. Raises GroupNameInvalid."""
        members = self.groups.get(group) if isinstance(group, str) else None
        if members is None:
            checked_group(group)  # the name of a group with members was checked before
        return members

    def _tell(self, group: str, connection: Connection, *, joined: bool) -> None:
        if self._events.hears_members(joined):
            self.presence.put(self._events.emit_member, self._member(group, connection), joined)

    def _member(self, group: str, connection: Connection) -> Member:
        return Member(group, connection.id, connection.subject, self.broker.node_name)

    def members(self, group: str) -> list[Member]:
        """Return the members of a group on all nodes. May wait for the broker.

        Raises:
            StorageAway: The members on other nodes are not known now.
            GroupNameInvalid: `group` can't be the name of a group.
        """
        if self.reactor.elsewhere():
            return list(self.reactor.run_here(self.members, group))
        self._members_of(group)
        return self.broker.members(group)

    def broadcast(
        self, data: Data, group: str | None = None, exclude: Connection | None = None
    ) -> None:
        """Send a message to all connections, or to those in a group, on all nodes.

        It returns when the broker has the message. On the consumer chain, for an event that every
        node gets, it sends to the connections of this node alone.

        Args:
            data: The message: a `str` is sent as text, bytes as binary.
            group: The group, or None for everybody.
            exclude: A connection that does not get it.

        Raises:
            PublishFailed: Redis did not accept the message in time.
            TypeError: `data` can't be sent.
            GroupNameInvalid: `group` can't be the name of a group.
        """
        opcode, payload = convert(data)
        send = self.send_here if heard_everywhere.get() else self.broker.publish
        send(opcode, payload, group, "" if exclude is None else exclude.id)

    def broadcast_here(
        self, data: Data, group: str | None = None, exclude: Connection | None = None
    ) -> None:
        """Send a message to this node's connections alone. Never waits for the broker.

        The message is encoded once for all, and compressed once for each agreed window size. Raises
        TypeError for data that can't be sent, and GroupNameInvalid.
        """
        opcode, payload = convert(data)
        self.send_here(opcode, payload, group, "" if exclude is None else exclude.id)

    def send_here(
        self, opcode: int, payload: bytes | bytearray, group: str | None, exclude: str
    ) -> None:
        """Send a payload to this node's connections, from any thread. Raises GroupNameInvalid."""
        if group is not None:
            self._members_of(group)
        if self.reactor.is_own_thread():
            self.spread(opcode, payload, group, exclude)
        elif self.reactor.elsewhere():  # else the loop doesn't run, and there are no connections
            data = bytes(payload)
            with suppress(NotServing):  # the loop has just ended
                self.reactor.call_here(self.spread, opcode, data, group, exclude, size=len(data))

    def spread(
        self, opcode: int, payload: bytes | bytearray, group: str | None, exclude: str
    ) -> int:
        """Send a payload to this node's connections except one; return their number."""
        members = self.users if group is None else self.groups.get(group, _NOBODY)
        frames = {0: frame_for(opcode, payload, 0)}
        connections = members.values()
        excluded = members.get(exclude) if exclude else None
        for connection in connections:
            if connection is excluded or connection.ending:
                continue
            frame = frames.get(connection.window_bits)
            if frame is None:
                frame = frame_for(opcode, payload, connection.window_bits)
                self.reactor.work += len(payload) // COMPRESSED
                frames[connection.window_bits] = frame
            connection.put(frame)
        self.reactor.work += len(connections) // PUTS
        return len(connections)

    def disconnect(
        self,
        *,
        subject: str | None = None,
        id: str | None = None,  # noqa: A002 - what a connection's name is called
        code: int = CloseCode.NORMAL,
        reason: str = "disconnected by the application",
    ) -> int:
        """Close a subject's connections, or the connection with an id, on all nodes.

        A client whose token is still valid may connect again.

        Args:
            subject: The subject of the connections' tokens.
            id: The id of one connection. Give either `subject` or `id`.
            code: The close code.
            reason: The reason in the Close frame, at most 123 bytes.

        Returns:
            The number of these connections; one on another node, given by its id, is not counted.

        Raises:
            TypeError: Both or neither of `subject` and `id` are given.
            PublishFailed: The other nodes can't be told.
            StorageAway: The other nodes were told, but the number is not known.
            GroupNameInvalid: `subject` can't be the subject of a token.
        """
        if (subject is None) == (id is None):
            raise TypeError("disconnect() needs a subject or an id")
        check_close(code, reason)
        if self.reactor.elsewhere():
            ask = partial(self.disconnect, subject=subject, id=id, code=code, reason=reason)
            return int(self.reactor.run_here(ask))
        if id is not None and id in self.users:
            return self.disconnect_here(None, id, code, reason)
        return self.broker.disconnect(subject, id, code, reason)

    def disconnect_here(self, group: str | None, name: str | None, code: int, reason: str) -> int:
        """Close this node's connection with an id, or those of a group; return their number."""
        if name is None:
            found = list(self.groups.get(group or "", _NOBODY).values())
        else:
            found = [each for each in (self.users.get(name),) if each is not None]
        self._close(iter(found), code, reason)
        return len(found)

    def _close(self, left: Iterator[Connection], code: int, reason: str) -> None:
        """Close the next CLOSES connections now, and the rest after other greenlets have run."""
        batch = tuple(islice(left, CLOSES))
        for connection in batch:
            connection.close(code, reason)
        if len(batch) == CLOSES:
            self.reactor.later(partial(self._close, left, code, reason))
