"""Closes connections that send more than `message_rate` and `byte_rate` allow, with 1008.

Import it before the filters that it should protect.
"""

from __future__ import annotations

from typing import Any

from .base import StopChain, WebSocketMessageFilter


class RateLimitFilter(WebSocketMessageFilter):
    """Counts messages for their connection, its subject and its address."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Let a message pass, or close its connection. Raises StopChain then."""
        if not web_socket_instance.within_rate(len(data)):
            web_socket_instance.close(1008, "more messages than the rate allows")
            raise StopChain
