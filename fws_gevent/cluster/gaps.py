"""The reasons for missing messages, as clients and filters get them (docs/redis.md)."""

from __future__ import annotations

TRIMMED, LOST, OLDER = "trimmed", "lost", "older"
LATE, LOCAL, OVERRUN = "late", "local", "overrun"
"""A join while Redis was away; messages that went only to the clients of this node; a subscriber
of a bus that delayed the group for too long."""

GAPS = {b"trimmed": TRIMMED, b"gone": LOST, b"other": LOST, b"older": OLDER}
"""The reason for each state of a stream that `resume.lua` returns where messages are missing."""
