"""Accepting connections, also when the process has no descriptor left for one; the first byte."""

from __future__ import annotations

import errno
from typing import Any, NamedTuple

import gevent
from gevent.server import StreamServer
from gevent.socket import wait_read

from ..logs.loggers import get_logger

_log = get_logger("server")

PAUSE = 1.0
"""Seconds at most until accepting is tried again after there was no descriptor."""

CALM = 10.0
"""Seconds without such a shortage after which it is over."""

_FIRST_PAUSE = 0.01

_SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class PatientStreamServer(StreamServer):
    """A StreamServer that outlives a shortage of descriptors: it says so once, and tries again.

    Who asks meanwhile waits in the kernel's backlog. Where descriptors come free one by one, they
    are used at once; that isn't the end of the shortage, and nothing is said of it.
    """

    _next_pause = _FIRST_PAUSE
    _shortages = 0
    _telling: gevent.Greenlet[..., None] | None = None

    def do_read(self) -> Any:
        """Accept a connection; None if there is none, or can't be one now."""
        try:
            accepted = super().do_read()
        except OSError as error:
            if error.errno not in _SHORT:
                raise
            self._pause(error)
            return None
        if accepted is not None:
            self._next_pause = _FIRST_PAUSE
        return accepted

    def close(self) -> None:
        """Accept nobody any more."""
        super().close()
        if self._telling is not None:
            self._telling.kill(block=False)

    def _pause(self, error: OSError) -> None:
        self.stop_accepting()
        gevent.spawn_later(self._next_pause, self._go_on)
        self._next_pause = min(PAUSE, 2 * self._next_pause)
        self._shortages += 1
        if self._telling is None:
            _log.error(
                "can't accept connections: %s; trying again every %g s (see ulimit -n)",
                error.strerror, PAUSE,
            )  # fmt: skip
            self._telling = gevent.spawn(self._tell_when_over)

    def _go_on(self) -> None:
        if self.started:
            self.start_accepting()

    def _tell_when_over(self) -> None:
        before = 0
        while before != self._shortages:
            before = self._shortages
            gevent.sleep(CALM)
        self._telling = None
        _log.warning("accepting connections again")


class ListenerName(NamedTuple):
    """The name of a listener, which connections ask for after it was closed."""

    address: Any

    def getsockname(self) -> Any:
        """Return the address that was listened on."""
        return self.address


def await_first_byte(socket: Any, patience: float) -> bool:
    """Wait until a gevent socket can be read, for `patience` seconds (0: for any time).

    Return whether it can.
    """
    try:
        wait_read(socket.fileno(), timeout=patience or None)
    except TimeoutError:
        return False
    return True
