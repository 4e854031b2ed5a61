"""Read by gunicorn from the folder that it is started in."""

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
    # Before any worker imports prometheus_client: over it, the workers add their numbers up.
    os.environ[_FOLDER] = _made


def when_ready(server: Any) -> None:
    """In the master, before the first worker: several of them need a Redis."""
    try:
        settings = Settings.load()
    except ConfigurationError:
        return  # each worker says so, and ends gunicorn
    if server.cfg.workers > 1 and not (settings.redis_url or settings.redis_host):
        # The workers inherit this, so it follows their own settings.
        configure_if_silent(settings.log_level, settings.log_format)
        warn_of_many_workers()
        flush_logs()  # before the lines of the workers


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001 - gunicorn's names
    """In the master: a worker ended, and what it had open is open no more."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # it has no types


def on_exit(server: Any) -> None:  # noqa: ARG001 - gunicorn's name
    """In the master, at the end."""
    if _made is not None:
        shutil.rmtree(_made, ignore_errors=True)
