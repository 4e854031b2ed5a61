"""Configure gunicorn, which reads this file from the folder in which it starts."""

import os
import shutil
import tempfile
from typing import Any

from fws_gevent.errors import ConfigurationError
from fws_gevent.logs.configuration import configure_if_silent, flush_logs
from fws_gevent.settings import Settings
from fws_gevent.workers.environment import warn_of_many_workers

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_made = None if os.environ.get(_FOLDER) else tempfile.mkdtemp(prefix="fws-metrics-")
if _made is not None:
    # Set before a worker imports prometheus_client: there the workers add up their numbers.
    os.environ[_FOLDER] = _made


def when_ready(server: Any) -> None:
    """Warn of several workers without Redis; called in the master, before the first worker."""
    try:
        settings = Settings.load()
    except ConfigurationError:
        return  # each worker logs the error, and ends gunicorn
    if server.cfg.workers > 1 and not (settings.redis_url or settings.redis_host):
        # The workers inherit this, so it follows their own settings.
        configure_if_silent(settings.log_level, settings.log_format)
        warn_of_many_workers()
        flush_logs()  # before the lines of the workers


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001 - gunicorn's names
    """Take the open connections of an ended worker out of the metrics; called in the master."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # it has no types


def on_exit(server: Any) -> None:  # noqa: ARG001 - gunicorn's name
    """Remove the folder of metrics; called in the master at its end."""
    if _made is not None:
        shutil.rmtree(_made, ignore_errors=True)
