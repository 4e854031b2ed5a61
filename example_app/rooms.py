"""The rooms, who may enter them, and who is there.

A room is a group of the server, "room:" and its name. What group a connection may join stands in
its token, so nobody but `rooms_for` decides that. Who is in a room is what the server knows of
the group's members anyway; it is kept in no second place that could be wrong.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fws_gevent import Connection, Node

ROOMS = ("lobby", "garden", "staff")

STAFF = ("Ada", "Grace")
"""Who may enter the room "staff"."""

_PREFIX = "room:"


def group_of(room: str) -> str:
    """The name of a room's group."""
    return _PREFIX + room


def rooms_for(name: str) -> tuple[str, ...]:
    """The rooms that are open to somebody."""
    return tuple(room for room in ROOMS if room != "staff" or name in STAFF)


def room_of(connection: Connection) -> str | None:
    """The room that a connection is in, or was in when it ended."""
    for group in connection.groups:
        if group.startswith(_PREFIX):
            return group.removeprefix(_PREFIX)
    return None


def people_in(node: Node, room: str) -> list[str]:
    """The names of who is in a room; several windows of one person are one name.

    With Redis that is on all nodes. Raises StorageAway if it can't be asked.
    """
    names = {str(member.subject) for member in node.members(group_of(room))}
    return sorted(names, key=str.casefold)


def tell_who_is_in(node: Node, room: str) -> None:
    """Tell everybody in a room who is there now."""
    text = to_json("people", room=room, people=people_in(node, room))
    node.broadcast(text, group=group_of(room))


def to_json(kind: str, **content: Any) -> str:
    """A message to the page; filters.py lists the kinds."""
    return json.dumps({"type": kind, **content})
