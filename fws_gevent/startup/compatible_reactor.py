"""`reactor`, the name by which programs of filtered_websocket run their server."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final, Protocol, TypeVar

from gevent import get_hub, spawn


class Server(Protocol):
    """A server that `build_reactor` returns."""

    def serve_forever(self) -> Any:
        """Serve until the end."""

    def stop(self) -> Any:
        """End."""


S = TypeVar("S", bound=Server)

_built: ContextVar[Server] = ContextVar("fws_gevent.built")


class BuiltServer:
    """Runs the last server that `build_reactor` has built.

    In filtered_websocket `reactor` is Twisted's, to which `build_reactor` adds a listener. Here a
    server has a `serve_forever` of its own. It is kept in the context of the code that called
    `build_reactor`, so threads and tests have their own, and in this object while `run` serves.
    """

    def __init__(self) -> None:
        self._running: tuple[Server, Any] | None = None
        """The server that `run` serves, and the loop of its thread."""

    def run(self) -> None:
        """Serve until SIGTERM, Ctrl-C or `stop`. Raises RuntimeError before `build_reactor`."""
        server, before = self._server(), self._running
        self._running = server, get_hub().loop
        try:
            server.serve_forever()
        finally:
            self._running = before

    def stop(self) -> None:
        """Stop the server.

        While `run` serves, return at once: the server stops in a greenlet of its own loop. Filters,
        greenlets, signal handlers and other threads may call this.

        Raises:
            RuntimeError: `run` does not serve, and the present context has not built a server.
        """
        if self._running is None:
            self._server().stop()
            return
        server, loop = self._running
        loop.run_callback_threadsafe(spawn, server.stop)

    def keep(self, server: S) -> S:
        """Have `run` serve this server, and return it."""
        _built.set(server)
        return server

    def _server(self) -> Server:
        server = _built.get(None)
        if server is None:
            raise RuntimeError("there is no server to run: call build_reactor(options) first")
        return server


reactor: Final = BuiltServer()
