"""Where the log lines go and what they look like: text for people, JSON for programs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import ClassVar

from pythonjsonlogger.json import JsonFormatter

_TEXT = "%(asctime)s %(levelname)-7s %(message)s"
_JSON = "%(asctime)s %(levelname)s %(name)s %(message)s"


class LineFormatter(logging.Formatter):
    """One line a record: what a client sent can't begin another, nor command a terminal."""

    _ESCAPES: ClassVar = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line, with control characters escaped; a traceback below it keeps its lines."""
        return super().formatMessage(record).translate(self._ESCAPES)


class ErrorStream:
    """`wsgi.errors` (PEP 3333): what an application writes there becomes records of the log.

    One write is one record: its first line is the message, and what follows stands below it as
    a traceback does.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def write(self, text: str) -> None:
        """Log a text; an empty one is nothing."""
        first, _, rest = text.strip().partition("\n")
        if first:
            record = self._logger.makeRecord(
                self._logger.name, logging.ERROR, "(wsgi.errors)", 0, "%s", (first,), None
            )
            record.exc_text = rest or None
            self._logger.handle(record)

    def writelines(self, lines: Iterable[str]) -> None:
        """Log some lines as one text."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Nothing is kept back."""


class _Stopgap(logging.StreamHandler):  # type: ignore[type-arg]  # no generic at run time
    """A handler that nobody asked for: whoever knows better takes its place."""


def configure_logging(level: str = "info", form: str = "text") -> None:
    """Send the project's log lines to standard error; `form` is "text" or "json"."""
    _configure(logging.StreamHandler(sys.stderr), level, form)


def _configure(handler: logging.Handler, level: str, form: str) -> None:
    handler.setFormatter(JsonFormatter(_JSON) if form == "json" else LineFormatter(_TEXT))
    logger = logging.getLogger("fws_gevent")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def configure_if_silent(level: str, form: str) -> None:
    """Do so unless the program has configured logging by itself: start-up lines are for someone.

    Who is called later knows more: an application first, then the command with its flags.
    """
    logger = logging.getLogger("fws_gevent")
    stopgap = any(isinstance(handler, _Stopgap) for handler in logger.handlers)
    if stopgap or not logger.hasHandlers():
        _configure(_Stopgap(sys.stderr), level, form)
