"""The end of a loop's turn, at which its output is written, in portions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from greenlet import greenlet

from ..clock import Clock
from ..logs.loggers import Repeats, get_logger
from .supervision import Failures
from .tasks import Socketed, Task

_log = get_logger("engine")

FLUSHES = 1024
"""Connections that are written to at once; the output to more leaves in several portions."""

FLUSH_BYTES = 4 << 20
"""Bytes that the kernel takes at once, after which the other connections wait for the next portion.
"""

_FEW = 64  # connections whose outboxes can't hold more than a portion


class Flushing:
    """The tasks that have output to write; `Reactor` adds reading."""

    _hub: Any

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.work = 0
        self.bytes_in = self.bytes_out = 0
        self.messages_out = 0
        """Messages that were handed to the kernel, or wait for it."""
        self.dirty: list[Socketed] = []
        self._will_flush = False
        self.failures = Failures("reactor", clock)
        self._failed_told = Repeats(_log, clock=clock)
        self._undrained: dict[Socketed, None] = {}
        self._runner: greenlet | None = None
        self.forked = False
        """True in a forked child, which serves no connection."""

    def mark(self, task: Socketed) -> None:
        """Call `task.flush` at the end of this turn."""
        self.dirty.append(task)
        if not self._will_flush:
            self._will_flush = True
            self._hub.loop.run_callback(self.flush)

    def flush(self) -> None:
        """Write the output of this turn: one send for each connection."""
        dirty = self.dirty
        self._will_flush = self._runner is not None
        if dirty:
            self.dirty = []
            if len(dirty) > _FEW:
                self._flush_many(dirty)
                return
            self.work += len(dirty)
            for task in dirty:
                try:
                    task.flush()
                except Exception as error:  # noqa: BLE001 - other connections go on
                    self._failed(task, error)

    def flush_all(self) -> None:
        """Write all output to all connections, as far as their sockets take it."""
        while self.dirty:
            self.flush()
        while self._undrained:
            self._drain_first()

    def _flush_many(self, dirty: list[Socketed]) -> None:
        """Write to the first FLUSHES connections, or as many as take FLUSH_BYTES.

        The others are left to the next call of `flush`.
        """
        before, done = self.bytes_out, 0
        for task in dirty[:FLUSHES]:
            try:
                task.flush()
            except Exception as error:  # noqa: BLE001 - as in `flush`
                self._failed(task, error)
            done += 1
            if self.bytes_out - before >= FLUSH_BYTES:
                break
        self.work += done + (self.bytes_out - before >> 12)
        if done < len(dirty):
            self.dirty = dirty[done:] + self.dirty
            self._will_flush = True
            self._hub.loop.run_callback(self.flush)

    def drain_later(self, task: Socketed) -> None:
        """Call the task's `drain` after others had their turn, as its socket may take more."""
        if not self._undrained:
            self._hub.loop.run_callback(self._drain_next)
        self._undrained[task] = None

    def _drain_next(self) -> None:
        if len(self._undrained) > 1:
            self._hub.loop.run_callback(self._drain_next)
        if self._undrained:  # else `flush_all` has done it
            self._drain_first()

    def _drain_first(self) -> None:
        task = next(iter(self._undrained))
        del self._undrained[task]
        try:
            task.drain()
        except Exception as error:  # noqa: BLE001 - as in `flush`
            self._failed(task, error)

    def later(self, function: Callable[[], None]) -> None:
        """Call `function` in the hub, after the calls that wait there. It must not block."""
        self._hub.loop.run_callback(function)

    def _failed(self, task: Task, error: BaseException) -> None:
        """Abort and log a task that raised, by its own fault, Ctrl-C or the exit of a child."""
        if self.forked:
            raise error
        try:
            task.abort()
        except Exception as other:  # noqa: BLE001 - the runner goes on
            self.failures.add(other)
        if isinstance(error, KeyboardInterrupt):
            self._hub.handle_system_error(type(error), error)
        elif self._failed_told.due(type(error).__name__):
            _log.error("%s failed", task, exc_info=error)
