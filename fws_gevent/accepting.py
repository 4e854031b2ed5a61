"""Accepting connections, also when the process has no descriptor left for one."""

from __future__ import annotations

import errno
import logging
from typing import Any

import gevent
from gevent.server import StreamServer

_log = logging.getLogger("fws_gevent.server")

PAUSE = 1.0
"""Seconds without accepting after the system had no descriptor, or no memory, for a connection."""

_SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class PatientStreamServer(StreamServer):
    """A StreamServer that outlives a shortage of descriptors: it says so once, and tries again.

    Who asks meanwhile waits in the kernel's backlog.
    """

    _short = False

    def do_read(self) -> Any:
        """Accept a connection; None if there is none, or can't be one now."""
        try:
            accepted = super().do_read()
        except OSError as error:
            if error.errno not in _SHORT:
                raise
            self._pause(error)
            return None
        if accepted is not None and self._short:
            self._short = False
            _log.warning("accepting connections again")
        return accepted

    def _pause(self, error: OSError) -> None:
        self.stop_accepting()
        gevent.spawn_later(PAUSE, self._go_on)
        if not self._short:
            self._short = True
            _log.error(
                "can't accept connections: %s; trying again every %g s (see ulimit -n)",
                error.strerror, PAUSE,
            )  # fmt: skip

    def _go_on(self) -> None:
        if self.started:
            self.start_accepting()
