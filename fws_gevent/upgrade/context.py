"""The seam between our gunicorn worker and the application: what they know of each other.

The worker parses requests and owns the sockets; the application decides who becomes a WebSocket.
They meet in the WSGI environ, so any middleware may stand between them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..errors import HandshakeRefused
from ..protocol.handshake import Request
from ..settings import Settings

UPGRADE = "fws_gevent.upgrade"
"""The environ's key for the `Upgrade` of a request that asks for a WebSocket."""
WORKER = "fws_gevent.worker"
"""The environ's key for the `Worker`, with every request."""


class Upgrade(Protocol):
    """A request for a WebSocket that has not been answered yet."""

    @property
    def request(self) -> Request:
        """Its head, with each header field as it was sent.

        Raises HandshakeRefused for headers that could be read in two ways.
        """

    def take(
        self, headers: Sequence[tuple[str, str]], start_response: Callable[..., Any]
    ) -> tuple[Any, bytes]:
        """Answer 101 with `headers`; what comes back is the application's alone from then on.

        The answer goes through `start_response`, so that each middleware sees it. Returned are
        the socket, which never waits, as the engine's `adopt` wants it, and the bytes that came
        behind the request. Raises OSError if the client is gone.
        """


class Node(Protocol):
    """A server of WebSockets in a worker's process."""

    live: int
    """Its open WebSockets."""
    settings: Settings

    def finish(self, grace: float) -> None:
        """Close them all, within `grace` seconds. Whoever calls it again waits with the first."""


class Worker(Protocol):
    """A worker process, as an application sees it."""

    @property
    def capacity(self) -> int:
        """The connections that it may have, `connections` at most."""

    @property
    def connections(self) -> int:
        """Its connections, HTTP and WebSockets together; a request's own is among them."""

    def serving(self, node: Node) -> None:
        """Count the node's WebSockets as the worker's, and finish the node before it ends."""


class NoSuchPath(HandshakeRefused):
    """There are WebSockets here, but not at this path."""

    def __init__(self) -> None:
        super().__init__("404 Not Found", "no WebSockets at this path; see --path")
