"""A pool of threads for filters that compute for a long time."""

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

    A thread runs one call after another. The new greenlet has neither thread-local values (which
    gevent patches) nor time-outs of the call before.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.busy = 0
        """The number of calls that run or wait for a thread."""
        self._full = Notice()
        self._pool: ThreadPool | None = None
        self._hub: Any = None

    def open(self, hub: Any) -> None:
        """Begin, for the loop of `hub`; threads start when there is work for them."""
        self._hub, self._pool = hub, None

    def run(self, call: Call, instance: Any, data: Any) -> Any:
        """Return the result of `call(instance, data)` in a thread, or raise its exception."""
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
    """Return the result of a call and None, or None and its exception. Runs in a thread.

    An exception is returned, because gevent's pool would print it, and end the program for a
    SystemExit.
    """
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.extend((context.run(call, instance, data), None))
        except BaseException as error:  # noqa: BLE001 - the chain handles it
            outcome.extend((None, error))

    Runner(run).switch()
    return outcome
