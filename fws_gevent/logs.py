"""Where the log lines go and what they look like: text for people, JSON for programs."""

from __future__ import annotations

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

_TEXT = "%(asctime)s %(levelname)-7s %(message)s"
_JSON = "%(asctime)s %(levelname)s %(name)s %(message)s"


def configure_logging(level: str = "info", form: str = "text") -> None:
    """Send the project's log lines to standard error; `form` is "text" or "json"."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(_JSON) if form == "json" else logging.Formatter(_TEXT))
    logger = logging.getLogger("fws_gevent")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def configure_if_silent(level: str, form: str) -> None:
    """Do so unless the program has configured logging by itself: start-up lines are for someone."""
    if not logging.getLogger("fws_gevent").hasHandlers():
        configure_logging(level, form)
