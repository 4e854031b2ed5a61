"""A child that a filter or a view forks: it keeps nothing of the loop that its parent serves with.

It has the parent's memory, descriptors and greenlets. Were its loop to go on, it would answer the
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
"""Those that the command, or a server of ours, may have taken with a watcher of the loop."""


class Forkable(Protocol):
    """An object with something to do in a forked child."""

    def on_fork(self) -> None:
        """Let go of what is the parent's. Runs in the child, before anything else; never waits."""


def tell_of_forks(target: Forkable) -> None:
    """Call `target.on_fork` in each child that this process forks, while `target` lives."""
    reference = weakref.ref(target)

    def in_child() -> None:
        found = reference()
        if found is not None:
            found.on_fork()

    os.register_at_fork(after_in_child=in_child)


def hear_of_children(loop: Any) -> None:
    """Have the loop hear of children before the first one is forked.

    gevent takes SIGCHLD with the first one only, just after the fork: the end of a child that ends
    at once would be missed, and waiting for it would not end. An application's own handler stays.
    """
    if loop.default and signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL:
        loop.install_sigchld()


def leave_loop(hub: Any) -> None:
    """In a forked child: end the parent's loop and have the next `get_hub` make a new one.

    No greenlet of the parent runs again, but the one that forked: the process ends with it. Signals
    do what Python knows of.
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
    """Go back to `here`, and end the process as soon as `outermost` ends, as that does.

    Nothing of the parent's program is run, such as its `finally` clauses and its functions for
    the exit.
    """
    outcome: BaseException | None = None
    try:
        here.switch()
    except BaseException as error:  # noqa: BLE001 - there is nobody else to hear of it
        outcome = error
    if isinstance(outermost, Greenlet):  # it would report to its hub, which there is no more
        outcome = outermost.exception
    status = _status_of(outcome)
    flush_logs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(status)


def _status_of(outcome: BaseException | None) -> int:
    """Return the exit status for what a program ended with; print what Python would."""
    if outcome is None:
        return 0
    if not isinstance(outcome, SystemExit):
        traceback.print_exception(outcome)
        return 1
    if outcome.code is None or isinstance(outcome.code, int):
        return (outcome.code or 0) & 0xFF
    print(outcome.code, file=sys.stderr)
    return 1
