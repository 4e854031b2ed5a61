"""A watchdog that logs which filter blocked the loop, and for how long."""

from __future__ import annotations

import contextlib
import signal
from _thread import interrupt_main
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from gevent import get_hub
from gevent.monkey import get_original

from ..clock import SYSTEM_CLOCK
from ..filters.chain import Chain
from ..logs.loggers import Repeats, get_logger

_log = get_logger("engine")

BEAT = 0.5
"""Seconds between two signs of life of the loop."""

TOO_LONG = 1.0
"""Seconds without one that are logged."""

_LOOK = signal.SIGURG
"""The signal whose handler looks at the stack: it is only simulated, and has no other use."""

_seconds = SYSTEM_CLOCK.monotonic  # real seconds, also with another clock of the node

_CHAIN: CodeType = Chain.receive.__code__


class Watchdog:
    """A native thread that notices when the loop gives no sign of life.

    Messages cost nothing more by it. Only the thread itself can safely read its stack, so the
    watchdog interrupts the loop's thread, as by a signal, and the handler reads the stack between
    two instructions. That works in the main thread, for the first watchdog there. Elsewhere, where
    SIGURG has a handler, and for code that never lets another thread run (some C extensions), the
    log line has no name.
    """

    def __init__(self) -> None:
        self._beat = 0.0
        self._seen = ""
        self._repeats = Repeats(_log, most=3)
        self._watching = False
        self._timer: Any = None

    def start(self) -> None:
        """Watch the loop of the calling thread."""
        self._beat, self._watching = _seconds(), True
        self._timer = get_hub().loop.timer(BEAT, BEAT)
        self._timer.start(self._on_beat)
        if signal.getsignal(_LOOK) is signal.SIG_DFL:
            with contextlib.suppress(ValueError):  # not the main thread
                signal.signal(_LOOK, self._look)
        get_original("_thread", "start_new_thread")(self._watch, ())

    def stop(self) -> None:
        """Stop watching; the thread ends by itself."""
        self._watching = False
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None
        if self._looks:
            signal.signal(_LOOK, signal.SIG_DFL)

    def _on_beat(self) -> None:
        now = _seconds()
        late, self._beat = now - self._beat - BEAT, now
        if late >= TOO_LONG and self._repeats.due(self._seen):
            _log.warning("%s held up everybody for %.1f s; see `offload`",
                         self._seen or "something", late)  # fmt: skip
        self._seen = ""

    @property
    def _looks(self) -> bool:
        return signal.getsignal(_LOOK) == self._look

    def _watch(self) -> None:
        """Run in the watchdog's thread: interrupt the loop's thread when the loop is late."""
        sleep: Callable[[float], None] = get_original("time", "sleep")
        while self._watching:
            sleep(BEAT)
            late = _seconds() - self._beat > TOO_LONG / 2
            if late and not self._seen and self._looks:
                interrupt_main(_LOOK)

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        """Note the running filter. This interrupts any code, so it must not switch greenlets."""
        if frame is not None:
            self._seen = culprit(frame)


def culprit(frame: FrameType) -> str:
    """Return a text for the code that a thread runs: the innermost filter, if any, and the line."""
    line = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    each: FrameType | None = frame
    while each is not None:
        if each.f_code is _CHAIN and "call" in each.f_locals:
            found = each.f_locals["self"].filter_of(each.f_locals["call"])
            return f"filter {found.__module__}.{found.__qualname__} (at {line})"
        each = each.f_back
    return f"code outside filters, at {line},"
