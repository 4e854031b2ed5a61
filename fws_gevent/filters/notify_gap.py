"""Tell clients that messages are missing, before the next one arrives."""

from __future__ import annotations

import json
from typing import Any

from .base import WebSocketGapFilter


class NotifyGapFilter(WebSocketGapFilter):
    """Sends {"fws": "gap", "group": …, "reason": …} to the members of the group on this node."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Send the notice to the members of the group, or to all connections without a group."""
        notice = json.dumps({"fws": "gap", "group": data["group"], "reason": data["reason"]})
        web_socket_instance.broadcast_here(notice, group=data["group"])
