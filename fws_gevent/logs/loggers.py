"""The project's loggers: nothing switches them off, and no client writes lines of its own there."""

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
"""Begins each line of a record but the first, so that none of these can pass for a record."""

_PAUSE = 60.0  # seconds between two errors of handlers that are printed for one logger

# Control characters, what else breaks a line for some reader, what turns the direction of text,
# and lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Return a text as part of one line: what could end it, or command a terminal, is escaped."""
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_escape, text)


def indented(text: str) -> str:
    """Return the lines of a traceback as those that follow a record's first line."""
    return "\n".join(INDENT + printable(line) for line in text.split("\n"))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


class Log(logging.LoggerAdapter[logging.Logger]):
    """A logger that `logging.config` doesn't switch off by mistake, and that never raises.

    `dictConfig` and `fileConfig` disable all loggers that exist and that they don't name, unless
    they are told otherwise; those of an imported package exist. A level or a handler that a
    configuration sets counts as ever. What a handler or a filter of the application raises ends
    here: it would end whatever the line is about. It is printed as logging prints errors of
    handlers, once in `_PAUSE` seconds for each logger.
    """

    def __init__(self, logger: logging.Logger, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(logger, {})
        self._clock = clock
        self._silent_until = 0.0

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's name
        """Return whether a record of this level is made."""
        self.logger.disabled = False
        return self.logger.isEnabledFor(level)

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Return a call's arguments as they are."""
        return msg, kwargs

    def log(self, level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log a line, if the level is enabled."""
        if self.isEnabledFor(level):
            kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # the caller's, not this one
            try:
                self.logger.log(level, msg, *args, **kwargs)
            except Exception:  # noqa: BLE001 - whatever a handler of the application's raises
                self._handler_failed()

    def handle(self, record: logging.LogRecord) -> None:
        """Hand a record that was made elsewhere to the handlers."""
        if self.isEnabledFor(record.levelno):
            try:
                self.logger.handle(record)
            except Exception:  # noqa: BLE001 - as in `log`
                self._handler_failed()

    def _handler_failed(self) -> None:
        """Print what a handler raised, as logging does."""
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

    What is put into its messages is escaped, whatever formatter the record meets later, and a
    traceback is indented. Fields that come as `extra` stay as they are.
    """
    logger = logging.getLogger(f"{ROOT}.{name}")
    if make_safe not in logger.filters:
        logger.addFilter(make_safe)
    return Log(logger)


def make_safe(record: logging.LogRecord) -> bool:
    """Escape the texts in a record, which a client may have chosen; a filter of loggers."""
    if isinstance(record.args, tuple):
        record.args = tuple(map(_safe, record.args))
    if record.exc_info and not record.exc_text:
        record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
    if record.exc_text:
        record.exc_text = indented(record.exc_text)
    return True


class _Escaped(str):
    """A text that was escaped, and that `%r` shows as it was."""

    raw: str

    def __repr__(self) -> str:
        return repr(self.raw)


class _Shown:
    """An object whose `str` and `repr` are escaped: they may have what a client chose in them."""

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
    """Bounds how often a line is logged that clients bring about, or that a lasting state does.

    Of each key the first `most` lines in `seconds` are due; the next one after these is preceded
    by a line with the number of those that were left out. It keeps `MAX_KEYS` keys, and forgets
    the one that was longest unused.
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
        self._seen: OrderedDict[Hashable, list[float]] = OrderedDict()  # since when, and how many

    def due(self, key: Hashable = None) -> bool:
        """Count a line; returns whether to log it."""
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
