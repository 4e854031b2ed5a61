"""The project's loggers, which stay enabled, and whose lines clients can't forge."""

from __future__ import annotations

import logging
import re
import traceback
from collections import OrderedDict
from collections.abc import Hashable, MutableMapping
from typing import Any

from ..clock import SYSTEM_CLOCK, Clock

ROOT = "fws_gevent"

INDENT = "  "
"""Begins each line of a record but the first, so that it can't be taken for a record."""

_PAUSE = 60.0  # seconds between two errors of handlers that are printed for one logger

# Control characters, other line ends of Unicode, marks of text direction, and lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Return a text for one line: line ends and control characters are escaped."""
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_escape, text)


def indented(text: str) -> str:
    """Return the lines of a traceback, escaped and indented, to follow a record's first line."""
    return "\n".join(INDENT + printable(line) for line in text.split("\n"))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


class Log(logging.LoggerAdapter[logging.Logger]):
    """A logger that stays enabled, and that never raises.

    By default `dictConfig` and `fileConfig` disable all existing loggers that they don't name,
    those of an imported package among them. This one stays enabled; a level or a handler that they
    set is kept. An exception of a handler or a filter of the application is caught, since it would
    end the work that the line is about, and printed as `logging` prints errors of handlers, once
    in `_PAUSE` seconds for each logger.
    """

    def __init__(self, logger: logging.Logger, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(logger, {})
        self._clock = clock
        self._silent_until = 0.0

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's name
        """Return whether lines of a level are logged."""
        self.logger.disabled = False
        return self.logger.isEnabledFor(level)

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Return the arguments of a call as they are."""
        return msg, kwargs

    def log(self, level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log a line, if the level is enabled."""
        if self.isEnabledFor(level):
            kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # the caller's frame
            try:
                self.logger.log(level, msg, *args, **kwargs)
            except Exception:  # noqa: BLE001 - a handler may raise anything
                self._handler_failed()

    def handle(self, record: logging.LogRecord) -> None:
        """Log a record that was made elsewhere, if its level is enabled."""
        if self.isEnabledFor(record.levelno):
            try:
                self.logger.handle(record)
            except Exception:  # noqa: BLE001 - as in `log`
                self._handler_failed()

    def _handler_failed(self) -> None:
        """Print the exception of a handler as logging does, once in `_PAUSE` seconds."""
        now = self._clock.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + _PAUSE
            name = self.logger.name
            logging.Handler().handleError(
                logging.LogRecord(
                    name, logging.ERROR, __file__, 0, "a handler of %s raised", (name,), None
                )
            )


def get_logger(name: str) -> Log:
    """Return the project's logger `fws_gevent.NAME`.

    The arguments of its messages are escaped, whatever formatter a handler has, and tracebacks are
    indented. Fields given as `extra` stay as they are.
    """
    logger = logging.getLogger(f"{ROOT}.{name}")
    if make_safe not in logger.filters:
        logger.addFilter(make_safe)
    return Log(logger)


def make_safe(record: logging.LogRecord) -> bool:
    """Escape the arguments of a record, which a client may have sent; a filter of loggers."""
    if isinstance(record.args, tuple):
        record.args = tuple(map(_safe, record.args))
    if record.exc_info and not record.exc_text:
        record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
    if record.exc_text:
        record.exc_text = indented(record.exc_text)
    return True


class _Escaped(str):
    """An escaped text, of which `%r` shows the original."""

    raw: str

    def __repr__(self) -> str:
        return repr(self.raw)


class _Shown:
    """An object whose `str` and `repr` are escaped: they may contain text of a client."""

    def __init__(self, shown: object) -> None:
        self._shown = shown

    def __str__(self) -> str:
        return printable(str(self._shown))

    def __repr__(self) -> str:
        return printable(repr(self._shown))


def _safe(argument: Any) -> Any:
    if isinstance(argument, int | float | None):
        return argument
    if not isinstance(argument, str | BaseException):
        return _Shown(argument)
    text = str(argument)
    shown = printable(text)
    if shown == text or isinstance(argument, BaseException):
        return shown
    escaped = _Escaped(shown)
    escaped.raw = text
    return escaped


class Repeats:
    """Limits how often a line is logged that clients, or a lasting state, can repeat.

    Of each key the first `most` lines in `seconds` are due. A line with the number of those that
    were left out precedes the next one that is due after that. It keeps `MAX_KEYS` keys and drops
    the least recently used one.
    """

    MAX_KEYS = 1000

    def __init__(
        self,
        log: Log,
        most: int = 10,
        seconds: float = 60.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._log = log
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._seen: OrderedDict[Hashable, list[float]] = OrderedDict()  # start and count

    def due(self, key: Hashable = None) -> bool:
        """Count a line; return whether to log it."""
        now = self._clock.monotonic()
        seen = self._seen.setdefault(key, [now, 0])
        self._seen.move_to_end(key)
        if len(self._seen) > self.MAX_KEYS:
            self._seen.popitem(last=False)
        if now >= seen[0] + self._seconds:
            left_out = int(seen[1]) - self._most
            seen[:] = [now, 0]
            if left_out > 0:
                self._log.warning("%d lines like the next one were left out", left_out)
        seen[1] += 1
        return seen[1] <= self._most
