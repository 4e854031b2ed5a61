"""The filter of the soak's nodes: clients join and publish by message."""

from __future__ import annotations

from typing import Any

from fws_gevent import PublishFailed
from fws_gevent.filters.base import WebSocketMessageFilter

EVERYBODY = "*"


class Orders(WebSocketMessageFilter):
    """Handle `join GROUP`, `say GROUP ID`, `others GROUP ID`, `leave GROUP`; answer when done."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Handle a message."""
        order, _, rest = data.text.partition(" ")
        name, _, message = rest.partition(" ")
        if order in ("join", "leave"):
            getattr(web_socket_instance, order)(name)
            web_socket_instance.send(f"done {order} {name}")
            return
        group = None if name == EVERYBODY else name
        try:
            web_socket_instance.broadcast(f"message {message}", group, include_self=order == "say")
        except PublishFailed:
            web_socket_instance.send(f"failed {message}")
        else:
            web_socket_instance.send(f"taken {message}")
