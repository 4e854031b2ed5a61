"""What a test's own configuration of the log writes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from io import StringIO

LOGGER = logging.getLogger("fws_gevent")

Lines = Callable[[], list[str]]


def logger_as_it_was() -> Iterator[None]:
    """A fixture: the logger is left as it was found."""
    before = LOGGER.handlers, LOGGER.level, LOGGER.propagate
    yield
    LOGGER.handlers, level, LOGGER.propagate = before
    LOGGER.setLevel(level)  # not by the attribute, which leaves what loggers remember of it


def written(configure: Callable[..., None], *arguments: str) -> Lines:
    """Configure with `arguments`; returns what gives the lines on standard error so far."""
    with redirect_stderr(StringIO()) as stderr:
        configure(*arguments)
    return lambda: stderr.getvalue().split("\n")[:-1]
