"""What happens to a message of the chat, from top to bottom: filters run in the order they stand.

Messages are JSON texts. The page sends

    {"type": "enter", "room": "garden"}     to go to a room; one is in one room at a time
    {"type": "say", "text": "Hello!"}       to say something there

and gets

    {"type": "people", "room": "garden", "people": ["Ada", "Linus"]}
        who is in one's room: the answer to "enter", and again when somebody comes or goes
    {"type": "said", "name": "Ada", "text": "Hello!", "yours": true}
        what somebody said; "yours" is there for the connection that said it, as its answer
    {"type": "refused", "what": "say", "why": "..."}
        nothing became of a message; "what" is its type
    {"type": "announcement", "name": "Ada", "text": "..."}
        for everybody in all rooms: see `announce` in app.py
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
    """Tell a client why nothing became of its message; the answer is to be raised."""
    web_socket_instance.send(to_json("refused", what=what, why=why))
    return StopChain()


class ReadJSON(WebSocketMessageFilter):
    """Makes a dict of the message: that is what the filters below get."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> Content:
        """Let nothing pass but what the filters below can rely on."""
        wanted = {"enter": "room", "say": "text"}
        try:
            content = json.loads(data.text)
        except (ValueError, RecursionError):
            raise refuse(web_socket_instance, None, "That is not JSON.") from None
        kind = content.get("type") if isinstance(content, dict) else None
        if not isinstance(kind, str) or kind not in wanted:
            raise refuse(web_socket_instance, None, "A type that this chat doesn't know.")
        if not isinstance(content.get(wanted[kind]), str):
            raise refuse(web_socket_instance, kind, f"It needs a text {wanted[kind]!r}.")
        return {"type": kind, wanted[kind]: content[wanted[kind]]}


class Shortcodes(WebSocketMessageFilter):
    """Changes messages: `:tea:` becomes ☕, and blanks at the ends go."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:  # noqa: ARG003
        """Change the text in place."""
        if data["type"] == "say":
            data["text"] = re.sub(
                ":[a-z]+:", lambda code: SHORTCODES.get(code[0], code[0]), data["text"].strip()
            )


class Manners(WebSocketMessageFilter):
    """Stops messages and says why: nothing to read, too long, shouted, or said twice."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Let through what is fit to be said."""
        if data["type"] != "say":
            return
        text = data["text"]
        why = None
        if not text:
            why = "There is nothing in it."
        elif len(text) > LONGEST_TEXT:
            why = f"Too long by {len(text) - LONGEST_TEXT} characters."
        elif text.isupper() and sum(map(str.isalpha, text)) > 5:
            why = "Please don't shout: it is all in capitals."
        elif text == web_socket_instance.data.get("said"):
            why = "You just said that."
        if why is not None:
            raise refuse(web_socket_instance, "say", why)
        web_socket_instance.data["said"] = text


class EnterRoom(WebSocketMessageFilter):
    """Lets a connection into a room that its token grants, and out of the one it was in."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Change the room; who is refused stays where they are."""
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
    """Hands what somebody says to everybody in their room, and to themselves."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Send it; the name is the token's, whatever the message claims."""
        if data["type"] != "say":
            return
        room = room_of(web_socket_instance)
        if room is None:
            raise refuse(web_socket_instance, "say", "Enter a room first.")
        content = {"name": web_socket_instance.token.subject, "text": data["text"]}
        web_socket_instance.broadcast(to_json("said", **content), group=group_of(room))
        web_socket_instance.send(to_json("said", **content, yours=True))


class LeaveRoom(WebSocketDisconnectFilter):
    """Tells a room that a connection ended; the server has taken it out of its groups before."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:  # noqa: ARG003
        """Tell who is left."""
        room = room_of(web_socket_instance)
        if room is not None:
            tell_who_is_in(web_socket_instance.node, room)
