"""Writing to a stream whose reader may have stopped reading, without waiting for it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any, TextIO

from gevent.monkey import get_original

from ..clock import SYSTEM_CLOCK

QUEUE_SIZE = 1 << 20
"""Bytes that wait for the reader of one stream; texts that come on top of them are dropped."""

DRAIN_TIME = 2.0
"""Seconds that the end of the process leaves the reader to take what waits."""

_LINGER = 0.2  # seconds that the thread waits for more before it ends
_PAUSE = 0.005  # seconds between two looks at something that wakes nobody


class Output:
    """Write texts to a stream in their order, from a native thread.

    A write to a full pipe, or to a terminal that is stopped, blocks the thread that makes it; that
    thread does nothing else. `stream` returns the stream for the next text. `notice` returns the
    text that stands where so many were dropped. `on_full` is called when the first one is dropped,
    and not again before half of the queue is free. A stream that is no file is written to at once.
    """

    def __init__(
        self,
        stream: Callable[[], TextIO],
        notice: Callable[[int], str],
        on_full: Callable[[], None] | None = None,
    ) -> None:
        self._stream = stream
        self._notice = notice
        self._on_full = on_full
        self._begin()

    def _begin(self) -> None:
        """Set an empty queue, and no thread: at first, and in the child of a fork."""
        self._process = os.getpid()
        self._lock: Any = get_original("_thread", "RLock")()
        self._wake: Any = get_original("_thread", "allocate_lock")()
        self._wake.acquire()
        self._queue: deque[tuple[TextIO, bytes]] = deque()
        self._size = 0  # bytes in the queue, and those that are being written
        self._dropped = 0
        self._running = False

    def write(self, text: str) -> None:
        """Write a text soon, in the order of calls. Never waits for the stream's reader."""
        stream = self._stream()
        if not isinstance(stream, TextIOWrapper) or not _has_descriptor(stream):
            stream.write(text)
            stream.flush()
            return
        if self._process != os.getpid():
            self._begin()
        was_full = bool(self._dropped)
        with self._lock:
            self._put(stream, text.encode(stream.encoding, "backslashreplace"))
            starts, self._running = not self._running, True
        if starts:
            get_original("_thread", "start_new_thread")(self._run, ())
        elif self._wake.locked():
            self._wake.release()
        if self._dropped and not was_full and self._on_full is not None:
            self._on_full()

    def drain(self, seconds: float = DRAIN_TIME) -> bool:
        """Wait until all is written, for `seconds` at most; returns whether it is."""
        if self._process != os.getpid():
            return True  # what waited at the fork is the parent's to write
        deadline = SYSTEM_CLOCK.monotonic() + seconds
        sleep = get_original("time", "sleep")
        while self._size and SYSTEM_CLOCK.monotonic() < deadline:
            sleep(_PAUSE)
        return not self._size

    def _put(self, stream: TextIO, data: bytes) -> None:
        """Queue bytes, or drop them: all from the first without room until half is free."""
        room = QUEUE_SIZE // 2 if self._dropped else QUEUE_SIZE
        if self._size and self._size + len(data) > room:
            self._dropped += 1
            return
        if self._dropped:
            self._tell_of_dropped(stream)
        self._queue.append((stream, data))
        self._size += len(data)

    def _tell_of_dropped(self, stream: TextIO) -> None:
        notice = self._notice(self._dropped).encode()
        self._dropped = 0
        self._queue.append((stream, notice))
        self._size += len(notice)

    def _run(self) -> None:
        """Write what waits, in the thread, until nothing has come for a while."""
        last: TextIO | None = None
        while True:
            with self._lock:
                if not self._queue and self._dropped and last is not None:
                    self._tell_of_dropped(last)
                item = self._queue.popleft() if self._queue else None
            if item is not None:
                last, data = item
                _write_all(last, data)
                with self._lock:
                    self._size -= len(data)
            elif not self._wake.acquire(True, _LINGER):
                with self._lock:
                    if not self._queue:
                        self._running = False
                        return


def _has_descriptor(stream: TextIO) -> bool:
    """Return whether a stream is a file of the system's, to which a write may block."""
    try:
        return stream.fileno() >= 0
    except (OSError, ValueError):  # in memory, or closed
        return False


def _write_all(stream: TextIO, data: bytes) -> None:
    """Write bytes to a stream's file; what can't be written any more is lost."""
    sleep = get_original("time", "sleep")
    with memoryview(data) as view:
        written = 0
        while written < len(view):
            try:
                written += os.write(stream.fileno(), view[written:])
            except BlockingIOError:
                sleep(_PAUSE)
            except (OSError, ValueError):
                return  # its reader is gone, or it was closed
