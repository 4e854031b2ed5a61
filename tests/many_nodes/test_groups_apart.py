"""Nodes without members of a group receive not one byte of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import gevent
import pytest
from gevent.server import StreamServer

from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.storage.redis import RedisStorageObject

from ..conftest import Connect, Serve
from ..redis_processes import RedisProcess
from ..waiting import until

GROUPS = 1000


class CountingProxy:
    """Forwards to Redis, and counts the bytes that come from there."""

    def __init__(self, redis_port: int) -> None:
        self.received = 0
        self._redis_port = redis_port
        self._server = StreamServer(("127.0.0.1", 0), self._forward)
        self._server.start()
        assert self._server.server_port
        self.port: int = self._server.server_port

    def _forward(self, client: socket.socket, _address: object) -> None:
        with socket.create_connection(("127.0.0.1", self._redis_port)) as upstream:
            there = gevent.spawn(self._pump, client, upstream, False)
            self._pump(upstream, client, True)
            there.kill()
        client.close()

    def _pump(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        try:
            while data := source.recv(65536):
                if counted:
                    self.received += len(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return  # one end is gone, and the other notices

    def stop(self) -> None:
        self._server.stop(timeout=1)


@pytest.fixture
def proxies(redis_server: RedisProcess) -> Iterator[list[CountingProxy]]:
    made = [CountingProxy(redis_server.port) for _ in range(2)]
    yield made
    for proxy in made:
        proxy.stop()


class JoinMany(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data=None):  # type: ignore[no-untyped-def]
        for number in range(GROUPS):
            web_socket_instance.join(f"group:{number}")
        web_socket_instance.send("joined")


def test_a_thousand_groups_on_two_of_four_nodes_cost_the_other_two_no_byte(
    redis_server: RedisProcess,
    proxies: list[CountingProxy],
    serve: Serve,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Signs of life, comparisons and pings are not messages of groups: none is due meanwhile.
    monkeypatch.setattr("fws_gevent.cluster.nodes.HEARTBEAT", 60.0)
    monkeypatch.setattr("fws_gevent.cluster.upkeep.INTERVAL", 60.0)
    monkeypatch.setattr("fws_gevent.cluster.subscription.PING_INTERVAL", 60.0)
    ports = [redis_server.port, redis_server.port, *(proxy.port for proxy in proxies)]
    servers = [
        serve([JoinMany], {"storage_object": RedisStorageObject(port=port)}, ping_interval=0)
        for port in ports
    ]
    clients = [connect(server) for server in servers]
    for client in clients[:2]:
        client.send("join")
        assert client.receive() == "joined"
    admin = redis_server.client()
    channels = [f"fws:{{group:{number}}}:stream" for number in range(GROUPS)]
    assert {count for _, count in admin.pubsub_numsub(*channels)} == {2}
    admin.close()
    until(lambda: all(proxy.received for proxy in proxies))
    before = [proxy.received for proxy in proxies]

    for number in range(GROUPS):
        servers[0].broadcast(f"hello {number}", group=f"group:{number}")
    for client in clients[:2]:
        assert [client.receive() for _ in range(GROUPS)] == [f"hello {n}" for n in range(GROUPS)]

    assert [proxy.received for proxy in proxies] == before
    servers[0].broadcast("everybody")
    assert [client.receive() for client in clients] == ["everybody"] * 4
