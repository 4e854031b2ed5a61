"""A group's members on a node in Redis: any number of them, in portions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from fws_gevent.cluster.member_keys import CHANGES, GROUPS, Change, MemberKeys, try_each
from fws_gevent.redis_io.keys import Keys
from fws_gevent.redis_io.publishing import StreamTerms
from fws_gevent.redis_io.urls import servers_at

from ..redis_processes import RedisProcess


@pytest.fixture
def plain(redis_server: RedisProcess) -> Iterator[Any]:
    client = redis_server.client()
    yield client
    client.close()


@pytest.fixture
def members(redis_server: RedisProcess) -> Iterator[MemberKeys]:
    servers = servers_at("127.0.0.1", redis_server.port)
    yield MemberKeys(servers, Keys("fws"), StreamTerms())
    servers.close()


def joins(count: int) -> list[Change]:
    return [("+", f"c{number}", "ada") for number in range(count)]


def changed(members: MemberKeys, changes: dict[str, list[Change]]) -> dict[str, Any]:
    """The outcomes of changes, once Redis knows the script."""
    members.change("n1", {"other": []})
    return members.change("n1", changes)


def test_any_number_of_members_is_added_read_and_removed(members: MemberKeys, plain: Any) -> None:
    count = 5 * CHANGES + 7
    outcomes = changed(members, {"a": joins(1), "big": joins(count), "b": joins(2)})
    assert outcomes == {"a": 1, "big": count, "b": 2}
    found = members.read("n1", ["a", "big", "none"])
    assert found["a"] == {b"c0": b"ada"}
    assert found["big"] == {b"c%d" % number: b"ada" for number in range(count)}
    assert found["none"] == {}
    assert members.remove("n1", ["a", "big", "b", "none"]) == dict.fromkeys(
        ("a", "big", "b", "none"), 0
    )
    assert plain.keys() == []


def test_no_call_changes_more_than_its_portion(members: MemberKeys, plain: Any) -> None:
    changed(members, {})
    plain.config_resetstat()
    members.change("n1", {"big": joins(3 * CHANGES)})
    assert plain.info("commandstats")["cmdstat_evalsha"]["calls"] == 3


def test_one_group_that_redis_refuses_fails_alone(members: MemberKeys, plain: Any) -> None:
    plain.set("fws:{bad}:members:n1", "of another type")
    outcomes = changed(members, {"a": joins(1), "bad": joins(2 * CHANGES), "b": joins(1)})
    assert (outcomes["a"], outcomes["b"]) == (1, 1)
    assert isinstance(outcomes["bad"], redis.ResponseError)
    found = members.read("n1", ["a", "bad"])
    assert found["a"] == {b"c0": b"ada"}
    assert isinstance(found["bad"], redis.ResponseError)
    gone = members.remove("n1", ["a", "bad", "b"])
    assert (gone["a"], gone["b"]) == (0, 0)
    assert isinstance(gone["bad"], redis.ResponseError)


@pytest.mark.parametrize("name", ["\ud800", "grüße 🎉", "a{b}*%"])
def test_no_name_can_make_a_call_fail(name: str, members: MemberKeys, plain: Any) -> None:
    outcomes = changed(members, {name: [("+", name, name)], "a": joins(1)})
    assert outcomes == {name: 1, "a": 1}
    members.list_groups("n1", [name, "a"])
    assert plain.scard("fws:{*}:groups:n1") == 2
    assert members.remove("n1", [name]) == {name: 0}
    members.unlist_groups("n1", [name])
    assert plain.smembers("fws:{*}:groups:n1") == {b"a"}


def test_groups_are_taken_in_portions(members: MemberKeys) -> None:
    groups = [f"g{number}" for number in range(2 * GROUPS + 1)]
    portions = members.by_server(groups)
    assert [len(each) for each in portions] == [GROUPS, GROUPS, 1]
    assert sorted(group for each in portions for group in each) == sorted(groups)


def test_a_server_that_does_not_answer_is_the_outcome_of_its_groups_alone() -> None:
    def call(groups: list[str]) -> dict[str, int]:
        if "away" in groups:
            raise redis.ConnectionError("away")
        return dict.fromkeys(groups, 1)

    outcomes = try_each([["a", "b"], ["away", "c"], ["d"]], call)
    assert [outcomes[group] for group in "abd"] == [1, 1, 1]
    assert isinstance(outcomes["away"], redis.ConnectionError)
    assert isinstance(outcomes["c"], redis.ConnectionError)
