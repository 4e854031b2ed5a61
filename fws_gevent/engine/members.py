"""The connections of a server and of its groups, and what is sent to all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .payload import Data, convert, frame_for
from .reactor import Reactor

if TYPE_CHECKING:
    from .connection import Connection


class Users(dict[str, "Connection"]):
    """Connections by id. A loop over it sees who was there when it began, and may wait inside."""

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(super().keys()))

    def keys(self) -> Any:
        """The ids, as they are now."""
        return tuple(super().keys())

    def values(self) -> Any:
        """The connections, as they are now."""
        return tuple(super().values())

    def items(self) -> Any:
        """Ids with their connections, as they are now."""
        return tuple(super().items())


_NOBODY = Users()


class Membership:
    """Who is connected, who is in which group, and messages to all of these."""

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self.users = Users()
        self.groups: dict[str, Users] = {}

    def join(self, group: str, connection: Connection) -> None:
        """Put a connection into a group."""
        members = self.groups.get(group)
        if members is None:
            members = self.groups[group] = Users()
        members[connection.id] = connection

    def leave(self, group: str, connection: Connection) -> None:
        """Take a connection out of a group; a group without members is none."""
        members = self.groups.get(group)
        if members is not None:
            members.pop(connection.id, None)
            if not members:
                del self.groups[group]

    def broadcast(
        self, data: Data, group: str | None = None, exclude: Connection | None = None
    ) -> None:
        """Send to all connections, or to those in `group`, but not to `exclude`.

        It is encoded once for all, and compressed once for each window size agreed on. Raises
        TypeError for what can't be sent.
        """
        opcode, payload = convert(data)
        if self.reactor.offloading and self.reactor.elsewhere():
            self.reactor.call_here(self._spread, opcode, bytes(payload), group, exclude)
        else:
            self._spread(opcode, payload, group, exclude)

    def _spread(
        self,
        opcode: int,
        payload: bytes | bytearray,
        group: str | None,
        exclude: Connection | None,
    ) -> None:
        members = self.users if group is None else self.groups.get(group, _NOBODY)
        frames = {0: frame_for(opcode, payload, 0)}
        for connection in members.values():
            if connection is exclude or connection.ending:
                continue
            frame = frames.get(connection.window_bits)
            if frame is None:
                frame = frame_for(opcode, payload, connection.window_bits)
                frames[connection.window_bits] = frame
            connection.write(frame)
