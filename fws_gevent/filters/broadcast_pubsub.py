"""Sends what comes from outside to everybody."""

from __future__ import annotations

from typing import Any

from .base import WebSocketConsumerFilter


class BroadcastPubSubFilter(WebSocketConsumerFilter):
    """Broadcasts the data of messages from outside; other events, such as subscriptions, pass."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Send the event's data to everybody, as text if it is UTF-8."""
        content = data.get("data")
        if isinstance(content, bytes):
            web_socket_instance.broadcast(_as_text(content))
        elif isinstance(content, str):
            web_socket_instance.broadcast(content)


def _as_text(content: bytes) -> str | bytes:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content
