"""The configuration of the log: standard error, as text for people or JSON for programs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from pythonjsonlogger.json import JsonFormatter

from .loggers import ROOT, Log, indented, printable
from .output import Output

_TEXT = "%(asctime)s %(levelname)-7s %(message)s"
_JSON = "%(asctime)s %(levelname)s %(name)s %(message)s"


class LineFormatter(logging.Formatter):
    """Formats a record as one line: control characters that a client sent are escaped.

    The lines of a traceback follow, each with an indent, which no record begins with.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line, with control characters escaped."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """Return the lines of a traceback, escaped and indented."""
        return indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - logging's name
        """Return the lines of a stack, escaped and indented."""
        return indented(super().formatStack(stack_info))


class LogHandler(logging.Handler):
    """Writes records to a stream without waiting for its reader, and reports dropped ones."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._output = Output(lambda: stream, self._notice)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            self._output.write(self.format(record) + "\n")
        except Exception:  # noqa: BLE001 - as each handler of logging has it
            self.handleError(record)

    def flush(self) -> None:
        """Wait until all is written, `DRAIN_TIME` at most; called at the end of the process."""
        self._output.drain()

    def _notice(self, count: int) -> str:
        record = logging.LogRecord(
            f"{ROOT}.logs", logging.WARNING, __file__, 0,
            "%d log lines dropped: this stream was not read", (count,), None,
        )  # fmt: skip
        return self.format(record) + "\n"


class ErrorStream:
    """`wsgi.errors` (PEP 3333): what an application writes there becomes records of the log.

    One write is one record: its first line is the message, and the other lines follow as those of
    a traceback do.
    """

    def __init__(self, log: Log) -> None:
        self._log = log

    def write(self, text: str) -> None:
        """Log a text, unless it is empty."""
        first, _, rest = text.strip().partition("\n")
        if first:
            record = self._log.logger.makeRecord(
                self._log.logger.name, logging.ERROR, "(wsgi.errors)", 0, "%s", (first,), None
            )
            record.exc_text = rest or None
            self._log.handle(record)

    def writelines(self, lines: Iterable[str]) -> None:
        """Log lines as one text."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Do nothing: a text is logged at once."""


class _Stopgap(LogHandler):
    """The handler of a program that has not configured logging; silent once it has a handler."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, unless the program has a handler."""
        if not logging.getLogger().handlers:
            super().emit(record)


def configure_logging(level: str = "info", form: str = "text") -> None:
    """Send the project's log lines to standard error; `form` is "text" or "json"."""
    _configure(LogHandler(sys.stderr), level, form, propagate=False)


def _configure(handler: logging.Handler, level: str, form: str, *, propagate: bool) -> None:
    handler.setFormatter(JsonFormatter(_JSON) if form == "json" else LineFormatter(_TEXT))
    logger = logging.getLogger(ROOT)
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = propagate


def configure_if_silent(level: str, form: str) -> None:
    """Configure logging as above, unless the program has configured it.

    A later call replaces the configuration of an earlier one: an application calls this first,
    then the command with its flags. Handlers that the program adds to the root logger later
    replace it.
    """
    logger = logging.getLogger(ROOT)
    stopgap = any(isinstance(handler, _Stopgap) for handler in logger.handlers)
    if stopgap or not logger.hasHandlers():
        _configure(_Stopgap(sys.stderr), level, form, propagate=True)


def flush_logs() -> None:
    """Wait until the project's log lines are written, `DRAIN_TIME` at most for each handler."""
    for handler in logging.getLogger(ROOT).handlers:
        handler.flush()
