"""Says which filter held up the loop, and with it everybody, and for how long."""

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
"""Seconds without one that are told."""

_LOOK = signal.SIGURG
"""Python's name for "look where you are": no signal is sent. One that nobody else has a use for."""

_seconds = SYSTEM_CLOCK.monotonic  # real ones, whatever clock the node has

_CHAIN: CodeType = Chain.receive.__code__


class Watchdog:
    """A thread of its own that has the loop's look where it is when it gives no sign of life.

    Nothing is measured on the way of a message. The stack of a thread is safe to read in that
    thread alone, so the late one is asked, as by a signal, and looks between two of its
    instructions. That works in the main thread, for the first watchdog there; elsewhere, where
    SIGURG has a handler, and for code that never lets another thread run (some C extensions),
    the line comes without a name.
    """

    def __init__(self) -> None:
        self._beat = 0.0
        self._seen = ""
        self._told = Repeats(_log, most=3)
        self._watching = False
        self._timer: Any = None

    def start(self) -> None:
        """Watch the loop of the thread that calls this."""
        self._beat, self._watching = _seconds(), True
        self._timer = get_hub().loop.timer(BEAT, BEAT)
        self._timer.start(self._on_beat)
        if signal.getsignal(_LOOK) is signal.SIG_DFL:
            with contextlib.suppress(ValueError):  # not the main thread
                signal.signal(_LOOK, self._look)
        get_original("_thread", "start_new_thread")(self._watch, ())

    def stop(self) -> None:
        """Watch no more; the thread ends by itself."""
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
        if late >= TOO_LONG and self._told.due(self._seen):
            _log.warning("%s held up everybody for %.1f s; see `offload`",
                         self._seen or "something", late)  # fmt: skip
        self._seen = ""

    @property
    def _looks(self) -> bool:
        return signal.getsignal(_LOOK) == self._look

    def _watch(self) -> None:
        """The thread: ask who is at it when the loop is late."""
        sleep: Callable[[float], None] = get_original("time", "sleep")
        while self._watching:
            sleep(BEAT)
            late = _seconds() - self._beat > TOO_LONG / 2
            if late and not self._seen and self._looks:
                interrupt_main(_LOOK)

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        """Remember who is at it. Runs wherever the loop's thread is: it must not switch."""
        if frame is not None:
            self._seen = culprit(frame)


def culprit(frame: FrameType) -> str:
    """What runs in a thread: the innermost filter if there is one, and the line it is at."""
    line = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    each: FrameType | None = frame
    while each is not None:
        if each.f_code is _CHAIN and "call" in each.f_locals:
            link = each.f_locals["self"].filter_of(each.f_locals["call"])
            return f"filter {link.__module__}.{link.__qualname__} (at {line})"
        each = each.f_back
    return f"code outside filters, at {line},"
