"""Accepting connections, also during a shortage of descriptors, and waiting for the first byte."""

from __future__ import annotations

import errno
from typing import Any, NamedTuple

import gevent
from gevent.server import StreamServer
from gevent.socket import wait_read

from ..logs.loggers import get_logger

_log = get_logger("server")

PAUSE = 1.0
"""Seconds at most until the server tries to accept again after a shortage of descriptors."""

CALM = 10.0
"""Seconds after which a shortage that has not come again is over."""

_FIRST_PAUSE = 0.01

_SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class PatientStreamServer(StreamServer):
    """A StreamServer that survives a shortage of descriptors: it logs it once, and tries again.

    New connections wait in the kernel's backlog meanwhile. A descriptor that becomes free is used
    at once; that is not the end of the shortage, and is not logged.
    """

    _next_pause = _FIRST_PAUSE
    _shortages = 0
    _logging: gevent.Greenlet[..., None] | None = None

    def do_read(self) -> Any:
        """Accept a connection; return None if there is none, or no descriptor for it."""
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
        """Stop accepting."""
        super().close()
        if self._logging is not None:
            self._logging.kill(block=False)

    def _pause(self, error: OSError) -> None:
        self.stop_accepting()
        gevent.spawn_later(self._next_pause, self._go_on)
        self._next_pause = min(PAUSE, 2 * self._next_pause)
        self._shortages += 1
        if self._logging is None:
            _log.error(
                "can't accept connections: %s; trying again every %g s (see ulimit -n)",
                error.strerror, PAUSE,
            )  # fmt: skip
            self._logging = gevent.spawn(self._log_the_end)

    def _go_on(self) -> None:
        if self.started:
            self.start_accepting()

    def _log_the_end(self) -> None:
        before = 0
        while before != self._shortages:
            before = self._shortages
            gevent.sleep(CALM)
        self._logging = None
        _log.warning("accepting connections again")


class ListenerName(NamedTuple):
    """The name of a listener, for connections that ask for it after it was closed."""

    address: Any

    def getsockname(self) -> Any:
        """Return the address that was listened on."""
        return self.address


def await_first_byte(socket: Any, timeout: float) -> bool:
    """Wait until a gevent socket can be read; return False after `timeout` seconds (0: never)."""
    try:
        wait_read(socket.fileno(), timeout=timeout or None)
    except TimeoutError:
        return False
    return True
