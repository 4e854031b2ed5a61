"""The tasks that a reactor runs, and the sockets behind them."""

from __future__ import annotations

from contextvars import Context
from typing import Any, Protocol

TURN = 256
"""Units of work (a task, 4 events of many, 4 KiB read or written in the middle, a write), a
millisecond or two, until the hub has its turn."""

MUCH = 8 * TURN
"""Units of work after which a task with several events leaves the others to its next run: what
leaves together saves writes, so it is more than a turn's."""


class Task(Protocol):
    """Something that runs in a runner, one run at a time: a connection, or the consumer queue.

    `busy` is true from being queued to the end of the run; what comes meanwhile sets `again`.
    `descriptor` is that of its socket, or -1.
    """

    busy: bool
    again: bool
    context: Context
    descriptor: int

    def run(self) -> None:
        """Do what there is to do; may block."""

    def abort(self) -> None:
        """End at once: a run failed in a way that nobody foresaw."""


class Socketed(Task, Protocol):
    """A task behind a descriptor."""

    waiting: Any
    secure: bool

    def on_hang_up(self) -> None:
        """The other end sends nothing more. Runs anywhere; must not block."""

    def abandon(self) -> None:
        """In a forked child: let go of the socket, without a word to the other end."""

    def drain(self) -> None:
        """Write more of what the kernel refused before. Runs anywhere; must not block."""

    def flush(self) -> None:
        """Write what was sent in this turn. Runs anywhere; must not block."""
