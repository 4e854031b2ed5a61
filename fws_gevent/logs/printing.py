"""The printing of filters, which never waits for the reader of standard output."""

from __future__ import annotations

import sys

from .loggers import get_logger, printable
from .output import Output

_log = get_logger("engine")


class Printer:
    """Prints a text to standard output when it is called, as `print` does, but never waits.

    Control characters are escaped, except tabs and line feeds: clients may have sent them.
    """

    def __init__(self) -> None:
        self._output = Output(lambda: sys.stdout, _notice, _on_full)

    def __call__(self, text: str) -> None:
        """Print a text and a line end; drop it if over `QUEUE_SIZE` bytes wait for the reader."""
        self._output.write("\n".join(map(_shown, text.split("\n"))) + "\n")

    def drain(self) -> None:
        """Wait until all is printed, `DRAIN_TIME` at most."""
        self._output.drain()


def _shown(line: str) -> str:
    return "\t".join(map(printable, line.split("\t")))


def _notice(count: int) -> str:
    return f"--DROPPED--\n{count} texts: standard output was not read\n"


def _on_full() -> None:
    _log.warning("standard output is not read: text that filters print is dropped")
