"""Calls from other threads into the loop's: in order, at once, and not too many of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent import spawn_raw
from gevent.monkey import get_original

from ..errors import NotServing

LENGTH, SIZE = 10_000, 16 << 20
"""Calls, and bytes of what they are given, that may be on the way; then their callers wait."""

_LOOK = 1.0
"""Seconds between two looks of a waiting thread whether the loop still serves."""


class Calls:
    """The way into one loop for threads that are not its own; `thread` is its own, 0 before."""

    def __init__(self) -> None:
        self.thread = 0
        self._loop: Any = None
        self._get_ident: Callable[[], int] = get_original("_thread", "get_ident")
        self._count = self._size = 0
        self._new_lock: Callable[[], Any] = get_original("_thread", "allocate_lock")
        self._lock = self._new_lock()

    def take_calls(self, loop: Any) -> None:
        """Take calls for `loop`, which is the present thread's, from now on."""
        self.thread = self._get_ident()
        self._count = self._size = 0
        self._loop = loop

    def refuse_calls(self) -> None:
        """Take no more calls; threads that wait for one learn that within a second."""
        self._loop = None

    def elsewhere(self) -> bool:
        """Return whether this is another thread than the one that the loop runs in."""
        return self._get_ident() != self.thread and self._loop is not None

    def call_here(self, function: Callable[..., Any], *arguments: Any, size: int = 0) -> None:
        """From another thread: have `function` called in the hub, after the calls before it.

        `size` is what the arguments weigh, in bytes. The caller waits only where too much is on
        the way already. Raises NotServing after the end.
        """
        with self._lock:
            full = self._count >= LENGTH or self._size + size > SIZE
            self._count += 1
            self._size += size
        if full:
            self.run_here(_nothing)  # what came before is done then
        self._going().run_callback_threadsafe(self._do, function, arguments, size)

    def run_here(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """From another thread: run `function`, which may wait, in a greenlet of the loop.

        Waits for it, and returns what it returns or raises what it raises. Raises NotServing if
        the loop's server stops meanwhile.
        """
        done = self._new_lock()
        done.acquire()
        outcome: list[Any] = []

        def run() -> None:
            try:
                outcome.extend((function(*arguments), None))
            except BaseException as error:  # noqa: BLE001 - it is raised in the other thread
                outcome.extend((None, error))
            finally:
                done.release()

        self._going().run_callback_threadsafe(spawn_raw, run)
        while not done.acquire(True, _LOOK):
            self._going()
        result, error = outcome
        if error is not None:
            raise error
        return result

    def _going(self) -> Any:
        loop = self._loop
        if loop is None:
            raise NotServing
        return loop

    def _do(self, function: Callable[..., Any], arguments: tuple[Any, ...], size: int) -> None:
        with self._lock:
            self._count -= 1
            self._size -= size
        function(*arguments)


def _nothing() -> None:
    """Do nothing."""
