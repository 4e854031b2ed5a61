"""Members and keys of dead nodes are removed, even if a part of that fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from fws_gevent.cluster import cleanup, nodes
from fws_gevent.cluster.member_keys import MemberKeys

from ..conftest import Connect, Serve
from ..redis_processes import RedisProcess
from ..waiting import until
from .nodes_at_redis import DEAD_NODE, add_dead_node, ids, join, keys_of, node_at

pytestmark = pytest.mark.usefixtures("_quick")

OTHER = "elsewhere:2:dead"


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "HEARTBEAT", 0.05)
    monkeypatch.setattr(cleanup, "FIRST", 0.05)
    monkeypatch.setattr(cleanup, "LONGEST", 0.1)


@pytest.fixture
def plain(redis_server: RedisProcess) -> Iterator[Any]:
    client = redis_server.client()
    yield client
    client.close()


def lines(caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    return [each for each in caplog.messages if text in each]


def test_a_group_that_redis_refuses_holds_up_neither_the_others_nor_other_nodes(
    redis_server: RedisProcess, serve: Serve, plain: Any, caplog: pytest.LogCaptureFixture
) -> None:
    groups = [f"g{number}" for number in range(120)]
    add_dead_node(plain, groups)
    add_dead_node(plain, ["room"], OTHER)
    wrong = f"fws:{{g7}}:members:{DEAD_NODE}"
    plain.delete(wrong)
    plain.set(wrong, "of another type")
    with caplog.at_level(logging.WARNING, "fws_gevent.redis"):
        node_at(serve, redis_server.port)
        until(lambda: not keys_of(plain, OTHER))
        until(lambda: plain.smembers(f"fws:{{*}}:groups:{DEAD_NODE}") == {b"g7"})
        assert plain.sismember("fws:{*}:nodes", DEAD_NODE)
        plain.delete(wrong)
        until(lambda: not keys_of(plain) and not plain.sismember("fws:{*}:nodes", DEAD_NODE))
    assert len(lines(caplog, f"node {DEAD_NODE} is gone")) == 1
    assert len(lines(caplog, f"node {DEAD_NODE}: can't clear away all that it left")) == 1


def test_a_clean_up_that_fails_ends_no_sign_of_life(
    redis_server: RedisProcess, serve: Serve, plain: Any, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    tried = []

    def fail(self: MemberKeys, node: str, groups: Any) -> None:
        tried.append(node)
        raise (redis.ResponseError if len(tried) % 2 else ValueError)("as told")

    monkeypatch.setattr(MemberKeys, "remove", fail)
    monkeypatch.setattr("fws_gevent.loop.supervision.PAUSE", 0.01)
    add_dead_node(plain, ["room"])
    server = node_at(serve, redis_server.port)
    until(lambda: len(tried) >= 4)
    lease = f"fws:{{*}}:node:{server.node.broker.node_name}"
    plain.pexpire(lease, 2000)
    until(lambda: plain.pttl(lease) > 2000)
    assert len(lines(caplog, f"node {DEAD_NODE} is gone")) == 1
    monkeypatch.undo()
    until(lambda: not keys_of(plain))


def test_it_is_told_to_the_group_and_the_living_stay(
    redis_server: RedisProcess, serve: Serve, connect: Connect, plain: Any
) -> None:
    server = node_at(serve, redis_server.port)
    member = join(connect, server, "room")
    add_dead_node(plain, ["room"])
    until(lambda: not keys_of(plain))
    assert ids(server) == [member]
    told = [fields[b"kind"] for _, fields in plain.xrange("fws:{room}:stream")]
    assert told.count(b"leave") == 1
