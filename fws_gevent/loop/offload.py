"""Threads for filters that compute for long."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from gevent.threadpool import ThreadPool

from ..logs.loggers import get_logger
from .marks import Runner
from .notice import Notice

_log = get_logger("engine")

IDLE = 10
"""Seconds without work after which a thread ends."""

Call = Callable[[Any, Any], Any]


class Offload:
    """Runs calls in a pool of threads, each in a greenlet of its own.

    A thread serves one call after the other; a new greenlet for each has no thread-local values
    (patched by gevent) and no time-outs of the one before.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.busy = 0
        """Calls that run, or wait for a thread."""
        self._full = Notice()
        self._pool: ThreadPool | None = None
        self._hub: Any = None

    def open(self, hub: Any) -> None:
        """Begin, for the loop of `hub`; threads are made when there is work for them."""
        self._hub, self._pool = hub, None

    def run(self, call: Call, instance: Any, data: Any) -> Any:
        """Return what `call(instance, data)` returns in a thread, or raise what it raises."""
        if self._pool is None:
            self._pool = ThreadPool(self.threads, hub=self._hub, idle_task_timeout=IDLE)
        if self.busy >= self.threads and self._full.begins():
            _log.warning(
                "all %d threads for offloaded filters are busy: more of them wait; "
                "see --offload_threads", self.threads,
            )  # fmt: skip
        self.busy += 1
        try:
            result, error = self._pool.apply(_apart, (copy_context(), call, instance, data))
        finally:
            self.busy -= 1
            if self.busy <= self.threads // 2:
                self._full.is_over()
        if error is not None:
            raise error
        return result


def _apart(context: Context, call: Call, instance: Any, data: Any) -> list[Any]:
    """In a thread: the result of a call and None, or None and the error that it raised.

    An error is handed over rather than raised: gevent's pool would print it, and end the program
    for a SystemExit.
    """
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.extend((context.run(call, instance, data), None))
        except BaseException as error:  # noqa: BLE001 - the chain deals with it
            outcome.extend((None, error))

    Runner(run).switch()
    return outcome
