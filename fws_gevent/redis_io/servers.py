"""Connections to Redis: one server, the master named by Sentinel, or the masters of a cluster."""

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
"""Seconds that Redis has to accept a connection, or to answer a command."""

MAX_CONNECTIONS = 64
"""Connections of one process for commands. If all are in use, a command waits, and then fails."""

CONNECTION: Mapping[str, Any] = {
    "socket_timeout": ANSWER_TIME,
    "socket_connect_timeout": ANSWER_TIME,
    # Redis() would retry ten times and Redis.from_url() once: callers decide on retries here.
    "retry": Retry(NoBackoff(), 0),
    "protocol": 2,
    "client_name": "fws",
}
"""The options of every connection, unless a URL says otherwise."""

ServerName = str
"""The name of one server; "" if there is only one."""


class RedisServers(ABC):
    """Makes clients and connections to Redis, which do not retry by themselves.

    `sharded` is true if keys are spread over several servers (a Redis Cluster). `name` stands in
    logs and has no secrets.
    """

    sharded = False

    def __init__(self, name: str) -> None:
        self.name = name
        self._clients: dict[tuple[int, int], Any] = {}

    @property
    def publish_command(self) -> str:
        """The command that publishes an entry on a channel."""
        return "SPUBLISH" if self.sharded else "PUBLISH"

    @property
    def client(self) -> Any:
        """The client for commands. If gevent has patched sockets, each thread has its own.

        Raises redis.RedisError if it can't be made while Redis is away (a Redis Cluster).
        """
        # Without gevent all threads share one: a program may start any number of threads.
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
        """Return the server that has a key. Raises redis.RedisError if it is not known."""
        return ""

    def connection(self, server: ServerName) -> Any:  # noqa: ARG002 - there is but one server
        """Return a new connection to a server, which is not connected yet."""
        return _outside(self.client.connection_pool)

    def look_again(self) -> None:  # noqa: B027 - there is nothing to look for at one server
        """Ask again which server has which keys. Raises redis.RedisError."""

    def time(self, key: bytes) -> float:  # noqa: ARG002 - the same clock for all
        """Return seconds since 1970 by the server that has a key. Raises redis.RedisError."""
        return _seconds(self.client.time())

    def pipeline(self, server: ServerName) -> Any:  # noqa: ARG002 - there is but one server
        """Return a pipeline to one server, which returns errors and follows no redirection.

        Raises redis.RedisError if that server is not there any more.
        """
        return self.client.pipeline(transaction=False)

    def run_at(
        self,
        where: AskError,
        script: Script,  # noqa: ARG002 - one server names no other
        keys: Sequence[bytes],  # noqa: ARG002
        args: Sequence[Any],  # noqa: ARG002
    ) -> Any:
        """Run a script at the server named by an AskError; return the answer.

        Raises redis.RedisError.
        """
        raise where

    def run(
        self, pipeline: Any, script: Script, keys: Sequence[bytes], args: Sequence[Any]
    ) -> None:
        """Add a call of a script to a pipeline."""
        pipeline.evalsha(script.sha, len(keys), *keys, *args)

    def load(self, script: Script) -> None:
        """Load a script into Redis. Raises redis.RedisError."""
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
    """The master that Sentinels name, which is asked for with each new connection."""

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
    """The masters of a Redis Cluster; any of its servers names the others."""

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
        """Return the master that has the slot of a key. Raises redis.RedisError without one."""
        node = self.client.get_node_from_key(key)
        if node is None:
            raise redis.ConnectionError("no server of the cluster has that key's slot")
        name: ServerName = node.name
        return name

    def connection(self, server: ServerName) -> Any:
        """Return a new connection to a server, or to any other if it is not there any more."""
        node = self.client.get_node(node_name=server) or self.client.get_random_node()
        return _outside(self.client.get_redis_connection(node).connection_pool)

    def pipeline(self, server: ServerName) -> Any:
        """Return a pipeline to one server. Raises redis.RedisError if it is not there.

        redis-py's pipeline for clusters follows redirections one by one, and delays all answers.
        """
        return self._server_at(server).pipeline(transaction=False)

    def run_at(
        self, where: AskError, script: Script, keys: Sequence[bytes], args: Sequence[Any]
    ) -> Any:
        """Run a script at the server that a slot moves to; return the answer.

        Raises redis.RedisError.
        """
        pipeline = self.pipeline(f"{where.host}:{where.port}")
        pipeline.execute_command("ASKING")
        self.run(pipeline, script, keys, args)
        return pipeline.execute()[1]

    def look_again(self) -> None:
        """Ask the cluster which server has which slots. Raises redis.RedisError."""
        with away():
            self.client.nodes_manager.initialize()

    def time(self, key: bytes) -> float:
        """Return seconds since 1970 by the server that has a key. Raises redis.RedisError."""
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
        """Add a call with the script's text to a pipeline: a master may not have the script."""
        pipeline.execute_command("EVAL", script.text, len(keys), *keys, *args)


def _sockets_are_patched() -> bool:
    monkey = sys.modules.get("gevent.monkey")  # not imported here: a program may lack gevent
    return monkey is not None and bool(monkey.is_module_patched("socket"))


def _outside(pool: Any) -> Any:
    """Return a connection as a pool makes it, but outside of the pool.

    The pool would count each new connection of a subscription against `max_connections`, and close
    them together with its own.
    """
    return pool.connection_class(**pool.connection_kwargs)


def _seconds(answer: tuple[int, int]) -> float:
    return answer[0] + answer[1] / 1e6
