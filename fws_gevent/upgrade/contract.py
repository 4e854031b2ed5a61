"""The contract of our gunicorn worker and the application in it.

The worker parses requests and owns the sockets; the application decides which requests become
WebSockets. They find each other in the WSGI environ, so any middleware may stand between them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..protocol.handshake import Request
from ..settings import Settings

UPGRADE = "fws_gevent.upgrade"
"""The key in the environ for the `Upgrade` of a request that asks for a WebSocket."""
WORKER = "fws_gevent.worker"
"""The key in the environ for the `Worker`, in every request."""


class Upgrade(Protocol):
    """A request for a WebSocket that has not been answered yet."""

    @property
    def request(self) -> Request:
        """Return the head of the request, with each header field as it was sent.

        Raises HandshakeRefused if the headers are ambiguous.
        """

    def take(
        self, headers: Sequence[tuple[str, str]], start_response: Callable[..., Any]
    ) -> tuple[Any, bytes]:
        """Answer 101 with `headers`, and hand the socket over to the application.

        The answer goes through `start_response`, so that each middleware sees it. Return the
        socket, non-blocking as a connection needs it, and the bytes that came behind the request.
        Raises OSError if the client is gone.
        """


class WorkerNode(Protocol):
    """A node in the process of a worker."""

    @property
    def live(self) -> int:
        """The number of its open WebSockets."""

    @property
    def settings(self) -> Settings:
        """The settings."""

    def finish(self, grace: float) -> None:
        """Close all of them within `grace` seconds. A second call waits for the first one."""


class Worker(Protocol):
    """A worker process, as an application sees it."""

    @property
    def capacity(self) -> int:
        """Return the number of connections that it may have."""

    @property
    def connections(self) -> int:
        """Return the number of its connections, HTTP and WebSockets together."""

    def serving(self, node: WorkerNode) -> None:
        """Count the node's WebSockets as the worker's, and finish the node before the end."""
