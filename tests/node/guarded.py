"""Servers that check tokens, clients that send them, and filters that note their events."""

from __future__ import annotations

from typing import Any

from fws_gevent import GroupRefused
from fws_gevent.connection.connection import Connection
from fws_gevent.filters.base import (
    FilterBase,
    WebSocketConnectFilter,
    WebSocketDisconnectFilter,
    WebSocketMessageFilter,
)
from fws_gevent.node.facade import NodeFacade
from fws_gevent.node.guard import Guard
from fws_gevent.server import FilteredWebSocketServer
from tests.clients import Client, frame
from tests.conftest import Connect, Serve
from tests.tokens.issuing import SECRET


class Script(WebSocketMessageFilter):
    """`join NAME`, `try NAME`, `leave NAME`, or `who`; everything else is echoed."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        order, _, name = data.text.partition(" ")
        if order == "join":
            web_socket_instance.join(name)
            web_socket_instance.send("joined")
        elif order == "try":
            try:
                web_socket_instance.join(name)
            except GroupRefused as error:
                web_socket_instance.send(f"caught: {error}")
        elif order == "leave":
            web_socket_instance.leave(name)
            web_socket_instance.send("left")
        elif order == "who":
            token = web_socket_instance.token
            web_socket_instance.send("nobody" if token is None else token.subject)
        else:
            web_socket_instance.send(data)


class Ears:
    """Filters that note their events: connects, messages and disconnects."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []

    def filters(self) -> list[type[FilterBase]]:
        """Return a new filter for each chain."""
        return [
            self._make("connect", WebSocketConnectFilter),
            self._make("message", WebSocketMessageFilter),
            self._make("disconnect", WebSocketDisconnectFilter),
        ]

    def _make(self, name: str, base: type[FilterBase]) -> type[FilterBase]:
        def hear(cls: Any, web_socket_instance: Any, data: Any) -> None:
            self.heard.append((name, data))

        meta: Any = type(base)
        made: type[FilterBase] = meta(f"Hear_{name}", (base,), {"filter": classmethod(hear)})
        return made


def guarded(
    serve: Serve, *filters: type[FilterBase], auth: str = "required", **settings: Any
) -> FilteredWebSocketServer:
    """Return a server that checks tokens, with the signing key of the tests."""
    return serve(filters or [Script], auth=auth, signing_key=SECRET, **settings)


def guard_of(server: NodeFacade) -> Guard:
    """Return the guard of a server's node."""
    assert server.node.guard is not None
    return server.node.guard


def bearer(token: str) -> list[str]:
    """Return the headers by which programs send a token."""
    return [f"Authorization: Bearer {token}"]


def offer(token: str, *others: str) -> list[str]:
    """Return the headers by which browsers send a token."""
    return [f"Sec-WebSocket-Protocol: {', '.join((*others, 'fws', f'fws.bearer.{token}'))}"]


def greeted(client: Client) -> Client:
    """Return the client, once the server has handled all that it has sent."""
    client.raw(frame(9, b"there?"))
    assert client.frame().payload == b"there?"
    return client


def of(server: NodeFacade, client: Client) -> Connection:
    """Return the server's side of a client."""
    members: tuple[Connection, ...] = (*server.users.values(), *server.node.pending)
    (found,) = [each for each in members if each.remote_address[1] == client.port]
    return found


def is_empty(server: NodeFacade) -> bool:
    """Return whether nothing is left of ended connections."""
    guard = guard_of(server)
    return not (server.live or server.users or server.groups or guard.pending or guard._expiries)


def enter(server: FilteredWebSocketServer, connect: Connect, token: str) -> Client:
    """Return a client with a token that has entered."""
    return greeted(connect(server, headers=bearer(token)))


def ask(client: Client, message: str) -> str | bytes:
    """Send a message and return the answer."""
    client.send(message)
    return client.receive()
