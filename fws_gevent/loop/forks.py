"""Forked children of filters and views, which keep nothing of their parent's loop.

A child has the parent's memory, descriptors and greenlets. If its loop went on, it would answer the
parent's clients, read from the parent's connection to Redis, and end with the parent's signals.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
import weakref
from typing import Any, Protocol

from gevent import Greenlet
from gevent.hub import set_hub, set_loop  # type: ignore[attr-defined]
from greenlet import getcurrent, greenlet

from ..logs.configuration import flush_logs

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that a server may have watched with the loop."""


class Forkable(Protocol):
    """An object that has to act in a forked child."""

    def on_fork(self) -> None:
        """Let go of the parent's resources. Runs first in the child, and never waits."""


def tell_of_forks(target: Forkable) -> None:
    """Call `target.on_fork` in each child that this process forks, while `target` lives."""
    reference = weakref.ref(target)

    def in_child() -> None:
        found = reference()
        if found is not None:
            found.on_fork()

    os.register_at_fork(after_in_child=in_child)


def hear_of_children(loop: Any) -> None:
    """Have the loop watch SIGCHLD before the first child is forked.

    gevent begins just after the first fork. It would miss a child that ends at once, and a wait for
    that child would never end. An application's own handler of SIGCHLD stays.
    """
    if loop.default and signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL:
        loop.install_sigchld()


def leave_loop(hub: Any) -> None:
    """End the parent's loop in a forked child; the next `get_hub` makes a new one.

    Of the parent's greenlets only the one that forked runs on, and the process ends with it.
    Signals get Python's handlers again.
    """
    here = outermost = getcurrent()
    while (parent := outermost.parent) is not None and parent is not hub:
        outermost = parent
    if parent is not None:
        last = greenlet(_end_with, parent=hub.parent)
        last.switch(outermost, here)
        outermost.parent = last
    for number in _SIGNALS:
        handler = signal.getsignal(number)
        if handler is not None:
            signal.signal(number, handler)
    hub.loop.destroy()
    set_loop(None)
    set_hub(None)


def _end_with(outermost: greenlet, here: greenlet) -> None:
    """Go back to `here`, and end the process when `outermost` ends, with its outcome.

    Nothing of the parent's program runs then, such as its `finally` clauses and exit functions.
    """
    outcome: BaseException | None = None
    try:
        here.switch()
    except BaseException as error:  # noqa: BLE001 - it becomes the exit status
        outcome = error
    if isinstance(outermost, Greenlet):  # it would report to its hub, which is gone
        outcome = outermost.exception
    status = _status_of(outcome)
    flush_logs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(status)


def _status_of(outcome: BaseException | None) -> int:
    """Return the exit status for the exception that ended a program; print it as Python would."""
    if outcome is None:
        return 0
    if not isinstance(outcome, SystemExit):
        traceback.print_exception(outcome)
        return 1
    if outcome.code is None or isinstance(outcome.code, int):
        return (outcome.code or 0) & 0xFF
    print(outcome.code, file=sys.stderr)
    return 1
