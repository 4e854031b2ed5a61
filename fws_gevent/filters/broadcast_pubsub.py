"""Send the events of the consumer chain to all connections."""

from __future__ import annotations

from typing import Any

from .base import WebSocketConsumerFilter


class BroadcastPubSubFilter(WebSocketConsumerFilter):
    """Broadcasts the field `data` of an event; events without it, such as subscriptions, pass."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Send the data of the event to all connections, as text if it is UTF-8."""
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
