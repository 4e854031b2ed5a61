"""The servers of gunicorn's stock worker, which the application finds at its first request."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.types import WSGIApplication

from ..protocol.peer import PEER, peer_of
from ..upgrade.environ import mend

_MODULE = "gunicorn.workers.ggevent"


class StockEntry:
    """Wraps the application of a server, outside of all its middleware.

    gevent-websocket asks the application for the one subprotocol that it may agree on, and never
    closes what the application returns; and only here REMOTE_ADDR is what the socket says.
    """

    def __init__(self, application: WSGIApplication, app_protocol: Callable[[str], str]) -> None:
        self._application = application
        self._app_protocol = app_protocol

    def app_protocol(self, path: str) -> str:
        """Return the subprotocol to agree on at `path`: the application's own, if it names one."""
        own = getattr(self._application, "app_protocol", None)
        return str((own and own(path)) or self._app_protocol(path))

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request."""
        environ[PEER] = peer_of(environ)
        mend(environ, environ["PATH_INFO"])
        answer = self._application(environ, start_response)
        return answer if environ.get("wsgi.websocket") is None else _to_its_end(answer)


def _to_its_end(answer: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from answer
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()


def enter_stock_servers(app_protocol: Callable[[str], str]) -> None:
    """Wrap the application of each server of this worker in a `StockEntry`.

    The worker keeps its servers in a local variable, so they are looked for among all objects.
    A child that the application forks serves nobody, and is no orphan of gunicorn's master.
    """
    servers = _stock_servers()
    for server in servers:
        server.application = StockEntry(server.application, app_protocol)
    worker = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)

    def in_child() -> None:
        for server in servers:
            server.close()
        if worker is not None:
            worker.ppid = os.getppid()

    if servers:
        os.register_at_fork(after_in_child=in_child)


def _stock_servers() -> list[Any]:
    module = sys.modules.get(_MODULE)
    if module is None:
        return []
    # By the type alone: the __class__ of a proxy may be anything, or raise.
    return [each for each in gc.get_objects() if issubclass(type(each), module.PyWSGIServer)]
