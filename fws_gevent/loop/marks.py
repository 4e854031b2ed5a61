"""The marks that a filter may leave on the greenlet in which it ran.

gevent keeps the values of a `threading.local` and of a `gevent.local` in the attributes of the
greenlet. A pending `gevent.Timeout`, a lock that is held, and a link hold a reference to it. A
`WeakKeyDictionary` with a value for it, and its `threading.current_thread()`, hold a weak one.
"""

from __future__ import annotations

import threading
from sys import getrefcount
from typing import Any
from weakref import getweakrefcount

from gevent.exceptions import LoopExit
from greenlet import getcurrent, greenlet

_NAMED = "Dummy-"  # a name that the threading module gave


class Runner(greenlet):
    """A greenlet that runs filters, and ignores exceptions that are thrown at it after its end.

    These are of time-outs that a filter has started and never closed.
    """

    def throw(self, *error: Any) -> Any:
        """Raise an error in the greenlet, unless it has ended."""
        if self.dead and not (error and _is_loop_exit(error[0])):
            return None
        return super().throw(*error)


class PlainThread:
    """The thread object of an unmarked greenlet, for comparison. A log line makes such objects."""

    def __init__(self) -> None:
        self._references, self._attributes = 0, frozenset[str]()
        greenlet(self._look).switch()

    def _look(self) -> None:
        thread = threading.current_thread()
        self._references = getweakrefcount(getcurrent())
        self._attributes = frozenset(vars(thread))

    def is_all_of(self, runner: greenlet) -> bool:
        """Return whether only such an object has weak references to `runner`, the present one."""
        thread = threading.current_thread()
        return (
            getweakrefcount(runner) == self._references
            and vars(thread).keys() == self._attributes
            and thread.name.startswith(_NAMED)
        )


def references() -> int:
    """Return the number of references to the present greenlet, as counted in this function."""
    me = getcurrent()
    return getrefcount(me)


def _is_loop_exit(error: Any) -> bool:
    return issubclass(error if isinstance(error, type) else type(error), LoopExit)
