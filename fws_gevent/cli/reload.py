"""SIGHUP: the process reloads its program, settings and filters, and refuses no connection."""

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
"""Seconds within which the new settings must be checked."""


class Reload:
    """Stops a server on `request`, if the new settings are valid; `execute` then reloads.

    The listening socket stays open: new connections wait in its backlog while the close frames
    are spread, and are accepted by the reloaded program.
    """

    def __init__(self, server: FilteredWebSocketServer) -> None:
        self._server = server
        self._requested = self._cancelled = False
        self._listener: int | None = None

    def request(self) -> None:
        """Close all connections with 1012 and stop the server, unless the check fails."""
        if self._requested:
            return
        self._requested = True
        _log.info("reload requested: checking the settings")
        complaint = _check()
        if complaint:
            _log.error("not reloading, going on as before: %s", complaint)
            self._requested = False
            return
        if self._server.started:  # it may have been told to stop during the check
            self._listener = os.dup(self._server.socket.fileno())
            self._server.stop(code=CloseCode.SERVICE_RESTART)

    def cancel(self) -> None:
        """Forget the request: the server was told to stop."""
        self._cancelled = True

    def execute(self) -> None:
        """Replace the process by the same program on the same socket, if that was requested."""
        if self._listener is None:
            return
        if self._cancelled:
            os.close(self._listener)
            path = self._server.settings.socket_path
            if path is not None:
                Path(path).unlink(missing_ok=True)
            return
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the new program handles it
        flush_logs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # execv would drop their buffers
        pass_on(self._listener)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - our own


def _check() -> str:
    """Check the present settings, files and filters; return the error in one line, or ""."""
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
