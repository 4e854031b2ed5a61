"""Read by gunicorn from the folder that it is started in."""

from typing import Any

from fws_gevent.application import warn_of_many_workers
from fws_gevent.logs import configure_logging


def when_ready(server: Any) -> None:
    """In the master, before the first worker: several of them need a shared storage object."""
    if server.cfg.workers > 1:
        configure_logging()
        warn_of_many_workers()
