"""Read the lines of a logging configuration under test."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from io import StringIO

LOGGER = logging.getLogger("fws_gevent")

Lines = Callable[[], list[str]]


def logger_as_it_was() -> Iterator[None]:
    """Restore the logger after the test; a fixture."""
    before = LOGGER.handlers, LOGGER.level, LOGGER.propagate
    yield
    LOGGER.handlers, level, LOGGER.propagate = before
    LOGGER.setLevel(level)  # not by the attribute, which leaves the cached levels of loggers


def written(configure: Callable[..., None], *arguments: str) -> Lines:
    """Configure logging with `arguments`; return a function that reads standard error."""
    with redirect_stderr(StringIO()) as stderr:
        configure(*arguments)
    return lambda: stderr.getvalue().split("\n")[:-1]
