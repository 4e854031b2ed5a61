"""Facts about gunicorn that its processes find in the environment, and warnings at the start."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ConfigurationError
from ..logs.loggers import get_logger
from ..settings import Settings

_log = get_logger("server")

APP_LOAD_ERROR = 4
"""The exit status of a gunicorn worker that can never serve its application."""

WORKERS = "WEB_CONCURRENCY"
"""gunicorn's variable for the number of its workers."""


def under_gunicorn() -> bool:
    """Return whether gunicorn runs this process: it says so in the environment of its workers."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn/")


def workers_of_gunicorn() -> int:
    """Return the number of gunicorn's workers, or 0 if it is unknown before the first request.

    Our worker class sets the variable that gunicorn reads its own default from.
    """
    said = os.environ.get(WORKERS, "")
    return int(said) if under_gunicorn() and said.isdecimal() else 0


def warn_of_many_workers() -> None:
    """Log that broadcasts don't reach the clients of other workers without Redis."""
    _log.error(
        "SEVERAL WORKERS WITHOUT REDIS: each worker has its own connections and groups, so a "
        "broadcast reaches only the clients of one worker. Run one worker (gunicorn -w 1), or "
        "give them a Redis (FWS_REDIS_URL)."
    )


def warn_of_unused_tls(settings: Settings, scheme: str) -> None:
    """Log that gunicorn, which serves requests of this `scheme`, doesn't read our TLS settings."""
    if settings.cert is not None and scheme != "https":
        _log.error(
            "NO TLS: FWS_KEY and FWS_CERT are for fws_server; under gunicorn TLS is "
            "--keyfile and --certfile"
        )


@contextmanager
def one_line_under_gunicorn() -> Iterator[None]:
    """End a gunicorn worker in an orderly way, with one line, for a setting that is wrong."""
    try:
        yield
    except ConfigurationError as error:
        if not under_gunicorn():
            raise
        print(f"fws_gevent: error: {error}", file=sys.stderr, flush=True)
        raise SystemExit(APP_LOAD_ERROR) from None
