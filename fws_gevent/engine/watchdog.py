"""Says which filter held up the loop, and with it everybody, and for how long."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from time import monotonic
from types import CodeType, FrameType
from typing import Any

from gevent import get_hub
from gevent.monkey import get_original

from ..filters.chain import Chain

_log = logging.getLogger("fws_gevent.engine")

BEAT = 0.5
"""Seconds between two signs of life of the loop."""

TOO_LONG = 1.0
"""Seconds without one that are told."""

_CHAIN: CodeType = Chain.receive.__code__


class Watchdog:
    """A thread of its own that looks where the loop is when it gives no sign of life.

    Nothing is measured on the way of a message. Code that never lets another thread run, which
    some C extensions have, is told without its name.
    """

    def __init__(self) -> None:
        self._beat = 0.0
        self._seen = ""
        self._watching = False
        self._timer: Any = None

    def start(self) -> None:
        """Watch the loop of the thread that calls this."""
        loop, ident = get_hub().loop, get_original("_thread", "get_ident")()
        self._beat, self._watching = monotonic(), True
        self._timer = loop.timer(BEAT, BEAT)
        self._timer.start(self._on_beat)
        get_original("_thread", "start_new_thread")(self._watch, (ident,))

    def stop(self) -> None:
        """Watch no more; the thread ends by itself."""
        self._watching = False
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

    def _on_beat(self) -> None:
        now = monotonic()
        late, self._beat = now - self._beat - BEAT, now
        if late >= TOO_LONG:
            _log.warning("%s held up everybody for %.1f s; see `offload`",
                         self._seen or "something", late)  # fmt: skip
        self._seen = ""

    def _watch(self, ident: int) -> None:
        """The thread: remember who is at it when the loop is late."""
        sleep: Callable[[float], None] = get_original("time", "sleep")
        while self._watching:
            sleep(BEAT)
            if not self._seen and monotonic() - self._beat > TOO_LONG / 2:
                frame = sys._current_frames().get(ident)  # noqa: SLF001 - the documented way
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
