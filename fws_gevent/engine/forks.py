"""A child that a filter or a view forks: it keeps nothing of the loop that its parent serves with.

It has the parent's memory, descriptors and greenlets. Were its loop to go on, it would answer the
parent's clients, read from the parent's connection to Redis, and end with the parent's signals.
"""

from __future__ import annotations

import os
import signal
import weakref
from typing import Any, Protocol

from gevent.hub import set_hub, set_loop  # type: ignore[attr-defined]
from greenlet import getcurrent

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


def leave_loop(hub: Any) -> None:
    """In a forked child: end the parent's loop and have the next `get_hub` make a new one.

    No greenlet of the parent runs again, but the one that forked: it ends into the main greenlet
    instead of the old hub. Signals do what Python knows of.
    """
    child = getcurrent()
    while (parent := child.parent) is not None and parent is not hub:
        child = parent
    if parent is not None:
        child.parent = hub.parent
    for number in _SIGNALS:
        handler = signal.getsignal(number)
        if handler is not None:
            signal.signal(number, handler)
    hub.loop.destroy()
    set_loop(None)
    set_hub(None)
