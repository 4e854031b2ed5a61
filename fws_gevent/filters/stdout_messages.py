"""Print each message."""

from __future__ import annotations

from typing import Any

from .base import WebSocketMessageFilter


class StdoutMessageFilter(WebSocketMessageFilter):
    """Prints each message with the id of its connection."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Print the message."""
        web_socket_instance.print(f"--MESSAGE--\n{web_socket_instance.id} => {data}")
