"""Filters that tests steer by messages."""

from __future__ import annotations

from typing import Any

from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.message import BinaryMessage


class Echo(WebSocketMessageFilter):
    """Sends each message back."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.send(data)


class Script(WebSocketMessageFilter):
    """Runs the Python expression that a message holds, and answers with its value."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        value = eval(data.text, {"ws": web_socket_instance, "BinaryMessage": BinaryMessage})
        web_socket_instance.send(repr(value))
