"""Nodes in this process with a Redis, and clients that join the groups that they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fws_gevent.cluster.redis_broker import RedisBroker
from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.storage.redis import RedisStorageObject

from ..clients import Client
from ..conftest import Connect, Serve

Node = Callable[..., FilteredWebSocketServer]

DEAD_NODE = "elsewhere:1:dead"


def rooms() -> type[WebSocketMessageFilter]:
    """A filter that joins what a message names, and answers with the connection's id."""

    class Rooms(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            for group in data.text.split():
                web_socket_instance.join(group)
            web_socket_instance.send(web_socket_instance.id)

    return Rooms


def node_at(serve: Serve, port: int) -> FilteredWebSocketServer:
    """Start a node."""
    return serve([rooms()], extra={"storage_object": RedisStorageObject(port=port)})


def broker_of(server: FilteredWebSocketServer) -> RedisBroker:
    """A node's broker."""
    assert isinstance(server.node.broker, RedisBroker)
    return server.node.broker


def join(connect: Connect, server: FilteredWebSocketServer, *groups: str) -> str:
    """Have a new client join groups; return the connection's id."""
    client: Client = connect(server)
    client.send(" ".join(groups))
    answer = client.receive()
    assert isinstance(answer, str)
    return answer


def ids(server: FilteredWebSocketServer, group: str = "room") -> list[str]:
    """The ids of a group's members, as a node has them."""
    return sorted(each.id for each in server.members(group))


def add_dead_node(plain: Any, groups: list[str], node: str = DEAD_NODE, member: str = "m1") -> None:
    """Leave behind what a dead node leaves."""
    plain.sadd(f"fws:{{*}}:groups:{node}", *groups)
    for group in groups:
        plain.hset(f"fws:{{{group}}}:members:{node}", member, "ada")
        plain.sadd(f"fws:{{{group}}}:nodes", node)
    plain.sadd("fws:{*}:nodes", node)


def keys_of(plain: Any, node: str = DEAD_NODE) -> list[bytes]:
    """The keys that name a node."""
    return sorted(key for key in plain.scan_iter() if node.encode() in key)
