"""Printing by filters, which never waits for the reader of standard output."""

from __future__ import annotations

import sys

from .loggers import get_logger, printable
from .output import Output

_log = get_logger("engine")


class Printer:
    """Prints a text to standard output when called, as `print` does, but never waits.

    Control characters other than tabs and line feeds are escaped: clients may have sent them.
    """

    def __init__(self) -> None:
        self._output = Output(lambda: sys.stdout, _notice, _on_full)

    def __call__(self, text: str) -> None:
        """Print a text and a line end; dropped where too much waits for the reader already."""
        self._output.write("\n".join(map(_shown, text.split("\n"))) + "\n")

    def drain(self) -> None:
        """Wait until all is printed, for a bounded time."""
        self._output.drain()


def _shown(line: str) -> str:
    return "\t".join(map(printable, line.split("\t")))


def _notice(count: int) -> str:
    return f"--DROPPED--\n{count} texts: nobody read standard output\n"


def _on_full() -> None:
    _log.warning("nobody reads standard output: what filters print is dropped")
