"""The traces that a filter may leave on the greenlet that it ran in.

gevent keeps the values of a `threading.local` and of a `gevent.local` in the greenlet's
attributes; a pending `gevent.Timeout`, a lock that is held and a link hold a reference to it; what
is kept for it in a `WeakKeyDictionary`, or by its `threading.current_thread()`, a weak one.
"""

from __future__ import annotations

import threading
from sys import getrefcount
from typing import Any
from weakref import getweakrefcount

from gevent.exceptions import LoopExit
from greenlet import getcurrent, greenlet

_NAMED = "Dummy-"  # by the threading module, where nobody else gave a name


class Runner(greenlet):
    """A greenlet that runs filters. What is thrown at it after its end reaches nobody.

    That is a time-out which a filter started and never closed.
    """

    def throw(self, *error: Any) -> Any:
        """Raise an error in the greenlet, unless it is over."""
        if self.dead and not (error and _is_loop_exit(error[0])):
            return None
        return super().throw(*error)


class PlainThread:
    """Knows the thread object of a greenlet that nobody changed, which a log line makes."""

    def __init__(self) -> None:
        self._references, self._attributes = 0, frozenset[str]()
        greenlet(self._look).switch()

    def _look(self) -> None:
        thread = threading.current_thread()
        self._references = getweakrefcount(getcurrent())
        self._attributes = frozenset(vars(thread))

    def is_all_of(self, runner: greenlet) -> bool:
        """Return whether nothing but such an object refers weakly to `runner`, the present one."""
        thread = threading.current_thread()
        return (
            getweakrefcount(runner) == self._references
            and vars(thread).keys() == self._attributes
            and thread.name.startswith(_NAMED)
        )


def references() -> int:
    """Return how many references to the present greenlet there are, as this function counts."""
    me = getcurrent()
    return getrefcount(me)


def _is_loop_exit(error: Any) -> bool:
    return issubclass(error if isinstance(error, type) else type(error), LoopExit)
