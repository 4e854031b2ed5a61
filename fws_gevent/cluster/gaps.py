"""The reasons for which messages to a group are missing, as they are told."""

from __future__ import annotations

TRIMMED, LOST, OLDER = "trimmed", "lost", "older"
LATE, LOCAL, OVERRUN = "late", "local", "overrun"
"""Joined while Redis was away; messages went to this node's clients alone; a subscriber of a bus
held the group up for too long."""

GAPS = {b"trimmed": TRIMMED, b"gone": LOST, b"other": LOST, b"older": OLDER}
"""What became of a stream, as `resume.lua` has it, and the reason that is told for it."""
