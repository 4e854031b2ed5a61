"""The client of redis-py for a Redis Cluster, with errors of one kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.exceptions import RedisClusterException


class ClusterClient(redis.RedisCluster):
    """A client that raises redis.RedisError alone, unlike redis-py's own client for clusters."""

    def __init__(self, **options: Any) -> None:
        with away():
            super().__init__(**options)

    def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command, wherever its keys are. Raises redis.RedisError."""
        with away():
            return super().execute_command(*args, **kwargs)  # type: ignore[no-untyped-call]

    def get_node_from_key(self, key: Any, replica: bool = False) -> Any:
        """Return the server that has a key. Raises redis.RedisError."""
        with away():
            return super().get_node_from_key(key, replica)  # type: ignore[no-untyped-call]

    def _get_command_keys(self, *args: Any) -> Any:
        # For the keys of a script redis-py would ask a random server, which may be away.
        if args[0] == "EVAL":
            return args[3 : 3 + int(args[2])]
        if self.get_default_node() is None:  # type: ignore[no-untyped-call]  # it looks anew
            raise redis.ConnectionError("no server of the cluster is known now")
        return super()._get_command_keys(*args)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> Any:
        """Return a pipeline of commands to several servers."""
        pipeline: Any = super().pipeline(transaction, shard_hint)  # type: ignore[no-untyped-call]
        pipeline._get_command_keys = self._get_command_keys  # noqa: SLF001 - redis-py's own class
        execute = pipeline.execute

        def execute_all(raise_on_error: bool = True) -> Any:
            with away():
                return execute(raise_on_error)

        pipeline.execute = execute_all
        return pipeline


@contextmanager
def away() -> Iterator[None]:
    """Raise redis.ConnectionError in place of redis-py's errors for an incomplete cluster."""
    try:
        yield
    except RedisClusterException as error:
        raise redis.ConnectionError(str(error)) from error
