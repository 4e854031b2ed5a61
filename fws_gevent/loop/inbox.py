"""A queue of calls that may wait, done in order in a runner."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, NamedTuple

from .reactor import Reactor
from .tasks import MUCH

INBOX_LENGTH, INBOX_SIZE = 10_000, 16 << 20
"""Calls, and bytes of their arguments, that may wait in one inbox."""

_SLICE = 256


class _Call(NamedTuple):
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    size: int


class Inbox:
    """Calls functions one after another. A call that waits holds up this inbox alone."""

    def __init__(self, reactor: Reactor) -> None:
        self.busy = False
        self.again = False
        self.descriptor = -1
        self.context = Context()
        self._reactor = reactor
        self._calls: deque[_Call] = deque()
        self._size = 0

    def __len__(self) -> int:
        """Return the number of calls that are not done yet, the present one included."""
        return len(self._calls)

    def put(
        self, function: Callable[..., Any], *arguments: Any, size: int = 0, last: bool = False
    ) -> bool:
        """Call `function` after the calls put before; return False if too much waits already.

        `size` is the size of the arguments, in bytes. A `last` call always finds room; the caller
        puts nothing more until it is done.
        """
        full = len(self._calls) >= INBOX_LENGTH or self._size + size > INBOX_SIZE
        if full and not last:
            return False
        self._calls.append(_Call(function, arguments, size))
        self._size += size
        if self._reactor.started:
            self._reactor.schedule(self)
        return True

    def run(self) -> None:
        """Do the waiting calls, in a runner."""
        for _ in range(_SLICE):
            if not self._calls:
                return
            call = self._calls[0]
            Context().run(call.function, *call.arguments)
            self._drop()
            if self._reactor.marked() or self._reactor.work > MUCH:
                break
        self.again = True

    def abort(self) -> None:
        """Drop a call that failed by an internal error; go on with the others."""
        self._drop()
        self.again = True

    def _drop(self) -> None:
        self._size -= self._calls.popleft().size
