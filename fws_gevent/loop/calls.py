"""Calls from other threads into the loop: immediate, in order, and bounded in number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from gevent import spawn_raw
from gevent._hub_local import get_hub_if_exists  # get_hub would make one
from gevent.event import Event
from gevent.monkey import get_original
from greenlet import getcurrent

from ..errors import NotServing

LENGTH, SIZE = 10_000, 16 << 20
"""Calls, and bytes of their arguments, that may be on the way; above these, callers wait."""

_LOOK = 1.0
"""Seconds after which a waiting thread checks again that the loop still serves."""


class Calls:
    """The entrance to one loop for other threads.

    `thread` is the number of the loop's own thread, 0 before it serves and afterwards.
    """

    def __init__(self) -> None:
        self.thread = 0
        self._loop: Any = None
        self._get_ident: Callable[[], int] = get_original("_thread", "get_ident")
        self._count = self._size = 0
        # Reentrant, because a finalizer may run in the middle of a call and make another one.
        self._lock = get_original("_thread", "RLock")()

    def take_calls(self, loop: Any) -> None:
        """Begin to take calls for `loop`, which is that of the present thread."""
        self.thread = self._get_ident()
        self._count = self._size = 0
        self._loop = loop

    def forget_callers(self) -> None:
        """In a forked child: end taking calls, with a new lock.

        A thread of the parent may have held the lock at the fork. It does not live in the child,
        so nobody would release it there.
        """
        self._lock = get_original("_thread", "RLock")()
        self.refuse_calls()

    def refuse_calls(self) -> None:
        """End taking calls; threads that wait for one get NotServing within a second."""
        with self._lock:
            self.thread, self._loop = 0, None

    def elsewhere(self) -> bool:
        """Return whether the loop serves in another thread than the present one."""
        return self._get_ident() != self.thread and self._loop is not None

    def is_own_thread(self) -> bool:
        """Return whether the loop serves in the present thread."""
        return self._get_ident() == self.thread

    def call_here(self, function: Callable[..., Any], *arguments: Any, size: int = 0) -> None:
        """Have `function` called in the hub, from another thread, after the calls before it.

        `size` is the size of the arguments, in bytes. The caller waits only if too much is on the
        way already. Raises NotServing before the start and after the end.
        """
        with self._lock:
            full = self._count >= LENGTH or self._size + size > SIZE
        if full:
            self.run_here(_nothing)  # the calls before this one are done then
        with self._lock:
            self._submit(self._do, function, arguments, size)
            self._count += 1
            self._size += size

    def run_here(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run `function`, which may wait, in a greenlet of the loop, from another thread.

        Return its result, or raise its exception. A thread with a hub of its own runs its other
        greenlets meanwhile. Raises NotServing before the start and after the end, and if the loop
        ends during the wait.
        """
        done = _signal()
        outcome: list[Any] = []

        def run() -> None:
            try:
                outcome.extend((function(*arguments), None))
            except BaseException as error:  # noqa: BLE001 - it is raised in the other thread
                outcome.extend((None, error))
            finally:
                done.set()

        with self._lock:
            self._submit(spawn_raw, run)
        while not done.wait(_LOOK):
            if self._loop is None:
                raise NotServing
        result, error = outcome
        if error is not None:
            raise error
        return result

    def _submit(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Have `function` called in the hub. The caller holds the lock, so the loop lives on."""
        if self._loop is None:
            raise NotServing
        self._loop.run_callback_threadsafe(function, *arguments)

    def _do(self, function: Callable[..., Any], arguments: tuple[Any, ...], size: int) -> None:
        with self._lock:
            self._count -= 1
            self._size -= size
        function(*arguments)


class _Signal(Protocol):
    """The end of a thread's wait for another thread."""

    def set(self) -> None:
        """End the wait. Called once, in the other thread."""

    def wait(self, seconds: float) -> bool:
        """Wait for `seconds` at most; return whether the wait ended."""


class _ThreadSignal:
    """The wait of a thread without a hub."""

    def __init__(self) -> None:
        self._lock = get_original("_thread", "allocate_lock")()
        self._lock.acquire()

    def set(self) -> None:
        self._lock.release()

    def wait(self, seconds: float) -> bool:
        return bool(self._lock.acquire(True, seconds))


class _GreenletSignal:
    """The wait of a greenlet, while its hub runs others."""

    def __init__(self, loop: Any) -> None:
        self._event = Event()
        self._loop = loop

    def set(self) -> None:
        try:
            self._loop.run_callback_threadsafe(self._event.set)
        except ValueError:
            return  # the waiting thread has ended, and its loop with it

    def wait(self, seconds: float) -> bool:
        return self._event.wait(seconds)


def _signal() -> _Signal:
    """Return a signal that the present thread can wait for."""
    hub = get_hub_if_exists()
    if hub is None or getcurrent() is hub:
        return _ThreadSignal()
    return _GreenletSignal(hub.loop)


def _nothing() -> None:
    """Do nothing."""
