"""Where Redis is: one server, the master that Sentinel names, or the masters of a Redis Cluster."""

from __future__ import annotations

import os
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import AskError
from redis.retry import Retry
from redis.sentinel import Sentinel

from .cluster_client import ClusterClient, away
from .scripts import Script

ANSWER_TIME = 1.0
"""Seconds for Redis to accept a connection, or to answer a command."""

MAX_CONNECTIONS = 64
"""Connections of one process for commands; who finds them all in use waits, then fails."""

CONNECTION: Mapping[str, Any] = {
    "socket_timeout": ANSWER_TIME,
    "socket_connect_timeout": ANSWER_TIME,
    # Redis() would try ten times and Redis.from_url() once: how often is decided here alone.
    "retry": Retry(NoBackoff(), 0),
    "protocol": 2,
    "client_name": "fws",
}
"""What every connection is made with, where a URL doesn't say otherwise."""

ServerName = str
"""Names a server among several."""


class RedisServers(ABC):
    """The way to Redis. Clients and connections of it don't try again by themselves.

    `sharded` says whether keys are spread over several servers (Redis Cluster), `name` how it is
    called in logs, without secrets.
    """

    sharded = False

    def __init__(self, name: str) -> None:
        self.name = name
        self._clients: dict[tuple[int, int], Any] = {}

    @property
    def publish_command(self) -> str:
        """The command by which entries are sent to those who listen."""
        return "SPUBLISH" if self.sharded else "PUBLISH"

    @property
    def client(self) -> Any:
        """The client for commands. Where sockets are gevent's, each thread has its own.

        Raises redis.RedisError where one can't even be made without Redis.
        """
        # One for each thread alone would pile up in programs that start many.
        key = (os.getpid(), threading.get_native_id() if _sockets_are_patched() else 0)
        client = self._clients.get(key)
        if client is None:
            client = self._clients.setdefault(key, self._make_client())
        return client

    def close(self) -> None:
        """Close the connections of this process's clients."""
        for (pid, _), client in tuple(self._clients.items()):
            if pid == os.getpid():
                client.close()
        self._clients.clear()

    def server_of(self, key: bytes) -> ServerName:  # noqa: ARG002 - the same server for all
        """The server that has a key. Raises redis.RedisError where that is not known."""
        return ""

    def connection(self, server: ServerName) -> Any:  # noqa: ARG002 - there is but one server
        """A new connection to a server, not connected yet."""
        return _outside(self.client.connection_pool)

    def look_again(self) -> None:  # noqa: B027 - there is nothing to look for at one server
        """Find out where things are now. Raises redis.RedisError."""

    def time(self, key: bytes) -> float:  # noqa: ARG002 - the same clock for all
        """Seconds since 1970 on the clock of the server that has a key. Raises redis.RedisError."""
        return _seconds(self.client.time())

    def pipeline(self, server: ServerName) -> Any:  # noqa: ARG002 - there is but one server
        """Return a pipeline to one server, whose errors are answers: none of them is followed.

        Raises redis.RedisError where that server is no longer there.
        """
        return self.client.pipeline(transaction=False)

    def run_at(
        self,
        where: AskError,
        script: Script,  # noqa: ARG002 - one server names no other
        keys: Sequence[bytes],  # noqa: ARG002
        args: Sequence[Any],  # noqa: ARG002
    ) -> Any:
        """Return what the server answers to a script that an error names. Raises RedisError."""
        raise where

    def run(
        self, pipeline: Any, script: Script, keys: Sequence[bytes], args: Sequence[Any]
    ) -> None:
        """Put a call of a script into a pipeline of `client`."""
        pipeline.evalsha(script.sha, len(keys), *keys, *args)

    def load(self, script: Script) -> None:
        """Have Redis know a script by its name. Raises redis.RedisError."""
        self.client.script_load(script.text)

    @abstractmethod
    def _make_client(self) -> Any: ...


class OneServer(RedisServers):
    """One Redis server."""

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(name)
        self._options = {**CONNECTION, **options}

    def _make_client(self) -> redis.Redis:
        options = dict(self._options)
        pool = redis.BlockingConnectionPool(  # type: ignore[no-untyped-call]
            max_connections=MAX_CONNECTIONS, timeout=ANSWER_TIME, **options
        )
        return redis.Redis.from_pool(pool)


class SentinelServers(RedisServers):
    """The master that the Sentinels name at each new connection."""

    def __init__(
        self,
        name: str,
        sentinels: list[tuple[str, int]],
        service: str,
        options: Mapping[str, Any],
        sentinel_options: Mapping[str, Any],
    ) -> None:
        super().__init__(name)
        self._sentinels, self._service = sentinels, service
        self._options = {**CONNECTION, **options}
        self._sentinel_options = {**CONNECTION, **sentinel_options}

    def _make_client(self) -> redis.Redis:
        sentinel = Sentinel(  # type: ignore[no-untyped-call]
            self._sentinels, sentinel_kwargs=self._sentinel_options, **self._options
        )
        client: redis.Redis = sentinel.master_for(  # type: ignore[no-untyped-call]
            self._service, max_connections=MAX_CONNECTIONS
        )
        return client


class ClusterServers(RedisServers):
    """The masters of a Redis Cluster; any of its servers tells the others."""

    sharded = True

    def __init__(
        self, name: str, servers: list[tuple[str, int]], options: Mapping[str, Any]
    ) -> None:
        super().__init__(name)
        self._servers = servers
        self._options = {**CONNECTION, **options}

    def _make_client(self) -> redis.RedisCluster:
        return ClusterClient(
            startup_nodes=[
                ClusterNode(host, port)  # type: ignore[no-untyped-call]
                for host, port in self._servers
            ],
            require_full_coverage=False,
            max_connections=MAX_CONNECTIONS,
            **self._options,
        )

    def server_of(self, key: bytes) -> ServerName:
        """The master that has a key's slot. Raises redis.RedisError while there is none."""
        node = self.client.get_node_from_key(key)
        if node is None:
            raise redis.ConnectionError("no server of the cluster has that key's slot")
        name: ServerName = node.name
        return name

    def connection(self, server: ServerName) -> Any:
        """A new connection to a server, or to any one if that is no longer there."""
        node = self.client.get_node(node_name=server) or self.client.get_random_node()
        return _outside(self.client.get_redis_connection(node).connection_pool)

    def pipeline(self, server: ServerName) -> Any:
        """Return a pipeline to one server. Raises redis.RedisError where it is not there.

        redis-py's own follows redirections one by one, while all other answers wait.
        """
        return self._server_at(server).pipeline(transaction=False)

    def run_at(
        self, where: AskError, script: Script, keys: Sequence[bytes], args: Sequence[Any]
    ) -> Any:
        """Return what the server answers that a slot is moving to. Raises redis.RedisError."""
        pipeline = self.pipeline(f"{where.host}:{where.port}")
        pipeline.execute_command("ASKING")
        self.run(pipeline, script, keys, args)
        return pipeline.execute()[1]

    def look_again(self) -> None:
        """Ask the cluster which server has which slots. Raises redis.RedisError."""
        with away():
            self.client.nodes_manager.initialize()

    def time(self, key: bytes) -> float:
        """Seconds since 1970 on the clock of the server that has a key. Raises redis.RedisError."""
        return _seconds(self._server_at(self.server_of(key)).time())

    def _server_at(self, server: ServerName) -> Any:
        """Return the client of one server. Raises redis.ConnectionError if it is not there."""
        node = self.client.get_node(node_name=server)
        if node is None:
            raise redis.ConnectionError(f"no server of the cluster is at {server or 'that slot'}")
        return self.client.get_redis_connection(node)

    def run(
        self, pipeline: Any, script: Script, keys: Sequence[bytes], args: Sequence[Any]
    ) -> None:
        """Put a call into a pipeline, with the text: not every master may have the script."""
        pipeline.execute_command("EVAL", script.text, len(keys), *keys, *args)


def _sockets_are_patched() -> bool:
    monkey = sys.modules.get("gevent.monkey")  # importing it is not for a program without gevent
    return monkey is not None and bool(monkey.is_module_patched("socket"))


def _outside(pool: Any) -> Any:
    """A connection such as a pool makes, but none of its own: a link makes any number of them.

    The pool would count each against `max_connections` for good, and close those that listen
    together with its own.
    """
    return pool.connection_class(**pool.connection_kwargs)


def _seconds(answer: tuple[int, int]) -> float:
    return answer[0] + answer[1] / 1e6
