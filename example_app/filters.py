"""The filters of the chat. They handle each message in the order of their definition.

Messages are JSON texts. The page sends

    {"type": "enter", "room": "garden"}     to enter a room and leave the one before
    {"type": "say", "text": "Hello!"}       to say something there

and gets

    {"type": "people", "room": "garden", "people": ["Ada", "Linus"]}
        the people in the room: the answer to "enter", and after each change
    {"type": "said", "name": "Ada", "text": "Hello!", "yours": true}
        a message in the room; the answer to the connection that sent it has "yours"
    {"type": "refused", "what": "say", "why": "..."}
        the answer to a message that was refused; its type is in "what"
    {"type": "announcement", "name": "Ada", "text": "..."}
        to all connections: see `announce` in app.py
"""

from __future__ import annotations

import json
import re
from typing import Any

from fws_gevent import GroupNameInvalid, GroupRefused
from fws_gevent.filters.base import (
    StopChain,
    WebSocketDisconnectFilter,
    WebSocketMessageFilter,
)

from .rooms import group_of, room_of, tell_who_is_in, to_json

LONGEST_TEXT = 1000
"""Characters of one message."""

SHORTCODES = {
    ":heart:": "♥",
    ":smile:": "☺",
    ":star:": "★",
    ":sun:": "☀",
    ":tea:": "☕",
}

Content = dict[str, Any]


def refuse(web_socket_instance: Any, what: str | None, why: str) -> StopChain:
    """Tell a client why its message is refused; return the exception to raise."""
    web_socket_instance.send(to_json("refused", what=what, why=why))
    return StopChain()


class ReadJSON(WebSocketMessageFilter):
    """Replaces the message by a dict, which the filters below get."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> Content:
        """Return the checked content of the message, or refuse it."""
        wanted = {"enter": "room", "say": "text"}
        try:
            content = json.loads(data.text)
        except (ValueError, RecursionError):
            raise refuse(web_socket_instance, None, "This is not JSON.") from None
        kind = content.get("type") if isinstance(content, dict) else None
        if not isinstance(kind, str) or kind not in wanted:
            raise refuse(web_socket_instance, None, "This type of message is unknown.")
        if not isinstance(content.get(wanted[kind]), str):
            raise refuse(web_socket_instance, kind, f"The text {wanted[kind]!r} is missing.")
        return {"type": kind, wanted[kind]: content[wanted[kind]]}


class Shortcodes(WebSocketMessageFilter):
    """Changes messages: `:tea:` becomes ☕, and spaces at both ends are removed."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:  # noqa: ARG003
        """Change the text in place."""
        if data["type"] == "say":
            data["text"] = re.sub(
                ":[a-z]+:", lambda code: SHORTCODES.get(code[0], code[0]), data["text"].strip()
            )


class Manners(WebSocketMessageFilter):
    """Refuses messages that are empty, too long, in capitals, or repeated."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Refuse the message, or pass it on."""
        if data["type"] != "say":
            return
        text = data["text"]
        why = None
        if not text:
            why = "The message is empty."
        elif len(text) > LONGEST_TEXT:
            why = f"The message is {len(text) - LONGEST_TEXT} characters too long."
        elif text.isupper() and sum(map(str.isalpha, text)) > 5:
            why = "Please don't shout: it is all in capitals."
        elif text == web_socket_instance.data.get("said"):
            why = "You just said that."
        if why is not None:
            raise refuse(web_socket_instance, "say", why)
        web_socket_instance.data["said"] = text


class EnterRoom(WebSocketMessageFilter):
    """Moves a connection to another room, if its token grants that."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Change the room. A refused connection stays in its room."""
        if data["type"] != "enter":
            return
        room, left = data["room"], room_of(web_socket_instance)
        try:
            web_socket_instance.join(group_of(room))
        except (GroupRefused, GroupNameInvalid):
            why = f"The room {room[:40]} is not open to you."
            raise refuse(web_socket_instance, "enter", why) from None
        if left is not None and left != room:
            web_socket_instance.leave(group_of(left))
            tell_who_is_in(web_socket_instance.node, left)
        tell_who_is_in(web_socket_instance.node, room)


class Say(WebSocketMessageFilter):
    """Sends a message to all others in the room, and a copy back to its sender."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Send the message with the name that is in the token."""
        if data["type"] != "say":
            return
        room = room_of(web_socket_instance)
        if room is None:
            raise refuse(web_socket_instance, "say", "Enter a room first.")
        content = {"name": web_socket_instance.token.subject, "text": data["text"]}
        web_socket_instance.broadcast(to_json("said", **content), group=group_of(room))
        web_socket_instance.send(to_json("said", **content, yours=True))


class LeaveRoom(WebSocketDisconnectFilter):
    """Tells a room that a connection ended; it has left its groups already."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:  # noqa: ARG003
        """Send the list of the remaining people."""
        room = room_of(web_socket_instance)
        if room is not None:
            tell_who_is_in(web_socket_instance.node, room)
