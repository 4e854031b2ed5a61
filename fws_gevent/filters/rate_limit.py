"""Close connections that send more than `message_rate` and `byte_rate` allow, with code 1008.

Import it before the filters that it should protect.
"""

from __future__ import annotations

from typing import Any

from .base import StopChain, WebSocketMessageFilter


class RateLimitFilter(WebSocketMessageFilter):
    """Limits the messages of a connection, of its subject and of its address."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Pass a message on, or close its connection and stop the chain."""
        if not web_socket_instance.within_rate(len(data)):
            web_socket_instance.close(1008, "more messages than the rate allows")
            raise StopChain
