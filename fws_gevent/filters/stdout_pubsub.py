"""Print the events of the consumer chain."""

from __future__ import annotations

from typing import Any

from .base import WebSocketConsumerFilter


class StdoutPubSubFilter(WebSocketConsumerFilter):
    """Prints each event of the consumer chain."""

    @classmethod
    def filter(cls, server: Any, data: Any = None) -> None:
        """Print the event."""
        server.print(f"--PUBSUB--\n{data}")
