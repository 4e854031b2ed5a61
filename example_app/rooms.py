"""The rooms, the people who may enter them, and the people who are there.

A room is a group of the server, with the prefix "room:". A token contains the groups that its
connection may join, so `rooms_for` alone decides that. The people in a room are the members of its
group; the application keeps no list of its own that could be wrong.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fws_gevent import Connection, Node

ROOMS = ("lobby", "garden", "staff")

STAFF = ("Ada", "Grace")
"""The people who may enter the room "staff"."""

_PREFIX = "room:"


def group_of(room: str) -> str:
    """Return the name of a room's group."""
    return _PREFIX + room


def rooms_for(name: str) -> tuple[str, ...]:
    """Return the rooms that a person may enter."""
    return tuple(room for room in ROOMS if room != "staff" or name in STAFF)


def room_of(connection: Connection) -> str | None:
    """Return the room that a connection is in, or was in when it ended."""
    for group in connection.groups:
        if group.startswith(_PREFIX):
            return group.removeprefix(_PREFIX)
    return None


def people_in(node: Node, room: str) -> list[str]:
    """Return the names of the people in a room, each once, also with several windows.

    With Redis these are the people on all nodes. Raises StorageAway if Redis is away.
    """
    names = {str(member.subject) for member in node.members(group_of(room))}
    return sorted(names, key=str.casefold)


def tell_who_is_in(node: Node, room: str) -> None:
    """Send the list of people to all connections in a room."""
    text = to_json("people", room=room, people=people_in(node, room))
    node.broadcast(text, group=group_of(room))


def to_json(kind: str, **content: Any) -> str:
    """Return a message to the page; filters.py lists the types."""
    return json.dumps({"type": kind, **content})
