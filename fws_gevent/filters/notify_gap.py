"""Tells clients that messages to them are missing, before the next one comes."""

from __future__ import annotations

import json
from typing import Any

from .base import WebSocketGapFilter


class NotifyGapFilter(WebSocketGapFilter):
    """Sends {"fws": "gap", "group": …, "reason": …} to the members of the group here."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Tell the members; without a group, everybody."""
        notice = json.dumps({"fws": "gap", "group": data["group"], "reason": data["reason"]})
        web_socket_instance.broadcast_here(notice, group=data["group"])
