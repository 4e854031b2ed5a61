"""Read by gunicorn from the folder that it is started in."""

import os
import shutil
import tempfile
from typing import Any

from fws_gevent.composition import warn_of_many_workers
from fws_gevent.logs import configure_if_silent, flush_logs

_REDIS = ("FWS_REDIS_URL", "FWS_REDIS_HOST")
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_made = None if _FOLDER in os.environ else tempfile.mkdtemp(prefix="fws-metrics-")
if _made is not None:
    # Before any worker imports prometheus_client: over it, the workers add their numbers up.
    os.environ[_FOLDER] = _made


def when_ready(server: Any) -> None:
    """In the master, before the first worker: several of them need a Redis."""
    if server.cfg.workers > 1 and not any(name in os.environ for name in _REDIS):
        # What the workers inherit, so it is as their own settings have it.
        level, form = os.environ.get("FWS_LOG_LEVEL"), os.environ.get("FWS_LOG_FORMAT")
        configure_if_silent(level or "info", form or "text")
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
