"""Things to do in order, in a runner, because what they call may wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, NamedTuple

from .reactor import Reactor
from .tasks import MUCH

INBOX_LENGTH, INBOX_SIZE = 10_000, 16 << 20
"""Calls, and bytes of what they were given, that may wait in one inbox."""

_SLICE = 256


class _Call(NamedTuple):
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    size: int


class Inbox:
    """Calls functions one after the other; who waits in one holds up this inbox alone."""

    def __init__(self, reactor: Reactor) -> None:
        self.busy = False
        self.again = False
        self.descriptor = -1
        self.context = Context()
        self._reactor = reactor
        self._calls: deque[_Call] = deque()
        self._size = 0

    def __len__(self) -> int:
        """The calls that are not done yet, the present one among them."""
        return len(self._calls)

    def put(
        self, function: Callable[..., Any], *arguments: Any, size: int = 0, last: bool = False
    ) -> bool:
        """Have `function` called after what was put before; False if too much waits already.

        `size` is what the arguments weigh, in bytes. What is `last` finds room always: after it
        there must come nothing until it is done.
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
        """Do what waits, in a runner."""
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
        """A call failed in the engine; the others go on."""
        self._drop()
        self.again = True

    def _drop(self) -> None:
        self._size -= self._calls.popleft().size
