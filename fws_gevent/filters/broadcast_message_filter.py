"""Send each message to all other connections."""

from __future__ import annotations

from typing import Any

from .base import WebSocketMessageFilter


class BroadcastMessageFilter(WebSocketMessageFilter):
    """Broadcasts messages to all other connections."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Send the message to all other connections."""
        web_socket_instance.broadcast(data)
