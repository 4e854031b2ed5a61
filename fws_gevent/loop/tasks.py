"""The tasks that a reactor runs, and their sockets."""

from __future__ import annotations

from contextvars import Context
from typing import Any, Protocol

TURN = 256
"""Units of work until the hub has its turn, about two milliseconds. A unit is a task, 4 events of
many, 4 KiB read or written during the turn, or a write at its end."""

MUCH = 8 * TURN
"""Units of work after which a task leaves its other events to its next run. It is more than a turn,
because output that leaves together saves writes."""


class Task(Protocol):
    """An object that runs in a runner, one run at a time: a connection, or an inbox.

    `busy` is true from being queued to the end of the run; an event meanwhile sets `again`.
    `descriptor` is that of its socket, or -1.
    """

    busy: bool
    again: bool
    context: Context
    descriptor: int

    def run(self) -> None:
        """Do the work that there is. May block."""

    def abort(self) -> None:
        """End at once, after an internal error in a run."""


class Socketed(Task, Protocol):
    """A task with a socket."""

    waiting: Any
    secure: bool

    def on_hang_up(self) -> None:
        """Note that the peer sends nothing more. Runs in any greenlet; must not block."""

    def abandon(self) -> None:
        """Let go of the socket in a forked child, and send nothing to the peer."""

    def drain(self) -> None:
        """Write more of the waiting output. Runs in any greenlet; must not block."""

    def flush(self) -> None:
        """Write the output of this turn. Runs in any greenlet; must not block."""
