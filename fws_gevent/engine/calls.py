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
    """The way into one loop for threads that are not its own."""

    def __init__(self) -> None:
        self._loop: Any = None
        self._count = self._size = 0
        self._new_lock: Callable[[], Any] = get_original("_thread", "allocate_lock")
        self._lock = self._new_lock()

    def open(self, loop: Any) -> None:
        """Take calls for `loop` from now on."""
        self._loop = loop

    def close(self) -> None:
        """Take no more calls; threads that wait for one learn that within a second."""
        self._loop = None

    def put(self, function: Callable[..., Any], arguments: tuple[Any, ...], size: int) -> None:
        """Have `function` called in the hub, after the calls before it. Raises NotServing.

        `size` is what the arguments weigh, in bytes. The caller waits only where too much is on
        the way already.
        """
        with self._lock:
            full = self._count >= LENGTH or self._size + size > SIZE
            self._count += 1
            self._size += size
        if full:
            self.ask(_nothing, ())  # what came before is done then
        self._going().run_callback_threadsafe(self._do, function, arguments, size)

    def ask(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Run `function` in a greenlet of the loop; return what it returns, or raise that.

        Raises NotServing if the loop's server stops meanwhile.
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
