"""SIGHUP: the same process begins anew, with new settings and filters, and refuses nobody."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from gevent import subprocess

from ..errors import CloseCode
from ..logs.configuration import flush_logs
from ..logs.loggers import get_logger
from ..server import FilteredWebSocketServer
from ..wsgi.listener import pass_on

_log = get_logger("server")

CHECK_TIME = 30.0
"""Seconds for the new settings to be checked in."""


class Reload:
    """Ends a server on `ask`, if what would follow is good; `begin_anew` is what follows.

    The listening socket stays open all the time: who connects meanwhile waits in its backlog,
    for as long as the closes of the others are spread, and is served by what comes.
    """

    def __init__(self, server: FilteredWebSocketServer) -> None:
        self._server = server
        self._asked = self._ended = False
        self._listener: int | None = None

    def ask(self) -> None:
        """Close all connections with 1012 and end the server, unless the check says no."""
        if self._asked:
            return
        self._asked = True
        _log.info("told to begin anew: checking the settings")
        complaint = _complaint()
        if complaint:
            _log.error("not beginning anew, and going on as before: %s", complaint)
            self._asked = False
            return
        if self._server.started:  # else it was told to stop meanwhile
            self._listener = os.dup(self._server.socket.fileno())
            self._server.stop(code=CloseCode.SERVICE_RESTART)

    def end(self) -> None:
        """Told to stop, it doesn't begin anew, though that may have been asked for before."""
        self._ended = True

    def begin_anew(self) -> None:
        """Become the same program again, on the same socket, if that was asked for."""
        if self._listener is None:
            return
        if self._ended:
            os.close(self._listener)
            path = self._server.settings.socket_path
            if path is not None:
                Path(path).unlink(missing_ok=True)
            return
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the new one minds it
        flush_logs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # what is in their buffers would be lost
        pass_on(self._listener)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - our own


def _complaint() -> str:
    """What is wrong with the settings, files and filters as they are now; "" if nothing is."""
    command = [sys.executable, *sys.orig_argv[1:], "--check"]
    try:
        checked = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            timeout=CHECK_TIME, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"the check took over {CHECK_TIME:g} s"
    if checked.returncode == 0:
        return ""
    lines = checked.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"the check ended with status {checked.returncode}"
