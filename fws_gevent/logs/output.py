"""Writes to a stream without waiting for its reader, which may have stopped reading."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any, TextIO

from gevent.monkey import get_original

from ..clock import SYSTEM_CLOCK

QUEUE_SIZE = 1 << 20
"""Bytes that may wait for the reader of a stream; further texts are dropped."""

DRAIN_TIME = 2.0
"""Seconds that the reader has, at the end of the process, to take the texts that wait."""

_LINGER = 0.2  # seconds without a text after which the thread ends
_PAUSE = 0.005  # seconds between two looks at a state without a wake-up


class Output:
    """Writes texts to a stream in order, from a native thread of its own.

    A write to a full pipe, or to a stopped terminal, blocks that thread alone. `stream` returns the
    stream for the next text. `notice` returns the text in place of a number of dropped ones.
    `on_full` is called when the first text is dropped, and again only after half of the queue was
    free. A stream that is not a file is written to at once.
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
        """Begin with an empty queue and without a thread, also in the child of a fork."""
        self._process = os.getpid()
        self._lock: Any = get_original("_thread", "RLock")()
        self._wake: Any = get_original("_thread", "allocate_lock")()
        self._wake.acquire()
        self._queue: deque[tuple[TextIO, bytes]] = deque()
        self._size = 0  # bytes in the queue, and in the current write
        self._dropped = 0
        self._running = False

    def write(self, text: str) -> None:
        """Queue a text. Never waits for the reader of the stream."""
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
        """Wait until all is written, for `seconds` at most; return whether it is."""
        if self._process != os.getpid():
            return True  # the parent writes the texts that waited at the fork
        deadline = SYSTEM_CLOCK.monotonic() + seconds
        sleep = get_original("time", "sleep")
        while self._size and SYSTEM_CLOCK.monotonic() < deadline:
            sleep(_PAUSE)
        return not self._size

    def _put(self, stream: TextIO, data: bytes) -> None:
        """Queue bytes; once there is no room for some, drop all until half of it is free."""
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
        """Write queued texts, in the thread, until none has come for `_LINGER` seconds."""
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
    """Return whether a stream has a file descriptor, so that a write may block."""
    try:
        return stream.fileno() >= 0
    except (OSError, ValueError):  # in memory, or closed
        return False


def _write_all(stream: TextIO, data: bytes) -> None:
    """Write bytes to the file of a stream; bytes for a reader that is gone are lost."""
    sleep = get_original("time", "sleep")
    with memoryview(data) as view:
        written = 0
        while written < len(view):
            try:
                written += os.write(stream.fileno(), view[written:])
            except BlockingIOError:
                sleep(_PAUSE)
            except (OSError, ValueError):
                return  # the reader is gone, or the stream was closed
