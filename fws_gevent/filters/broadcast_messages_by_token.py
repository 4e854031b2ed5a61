"""Groups by token: the message `token:NAME` joins the group NAME; later messages go to it."""

from __future__ import annotations

import re
from typing import Any

from .base import WebSocketMessageFilter

_TOKEN = re.compile(rb"token:(\S+)\s*")


class TokenMessageFilter(WebSocketMessageFilter):
    """Lets clients name the group that they send to and receive from."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Join the group that the message names, or send the message to the joined group."""
        named = _TOKEN.fullmatch(data)
        if named is not None:
            token = named[1].decode("utf-8", "backslashreplace")
            web_socket_instance.token = token
            web_socket_instance.send(f"Successfully registered with broadcast group: {token}")
        elif web_socket_instance.token is None:
            web_socket_instance.send("Error: No token has been set")
        else:
            web_socket_instance.broadcast(data, group=str(web_socket_instance.token))
