"""`reactor`, the name by which programs of filtered_websocket run their server."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final, Protocol, TypeVar


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
    server has a `serve_forever` of its own, and this object keeps nothing itself: the server is
    in the context of the code that called `build_reactor`, so threads and tests have their own.
    """

    def run(self) -> None:
        """Serve until SIGTERM, Ctrl-C or `stop`. Raises RuntimeError before `build_reactor`."""
        self._server().serve_forever()

    def stop(self) -> None:
        """Stop the server. Raises RuntimeError before `build_reactor`."""
        self._server().stop()

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
