"""Channels that a server ended are followed at their new server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from fws_gevent.cluster import moved_channels as moved_module
from fws_gevent.cluster.moved_channels import MovedChannels
from fws_gevent.redis_io.backoff import Backoff
from tests.waiting import until


class World:
    """A cluster of which all that is known is made up here."""

    def __init__(self) -> None:
        self.where: dict[bytes, str] = {}
        self.followed: list[bytes] = []
        self.looks = 0
        self.errors: list[Exception] = []
        self.moved = MovedChannels(self.look_again, self.where.__getitem__, self.follow)
        self.moved.loop.start()

    def look_again(self) -> None:
        self.looks += 1
        if self.errors:
            raise self.errors.pop()

    def follow(self, channel: bytes) -> None:
        self.followed.append(channel)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(Backoff, "seconds", lambda self: 0.001)
    made = World()
    yield made
    made.moved.stop(5)
    assert made.moved.loop.ended


def test_a_channel_is_followed_at_its_new_server(world: World) -> None:
    world.where = {b"a": "new", b"b": "new"}
    world.moved._server_of = world.where.__getitem__
    world.moved.put(b"a", "old")
    world.moved.put(b"b", "old")
    assert world.moved.pending
    until(lambda: not world.moved.pending)
    assert world.followed == [b"a", b"b"]
    assert world.looks == 1, "once for all of them"


def test_it_is_looked_for_until_the_cluster_knows(world: World) -> None:
    world.where[b"a"] = "old"
    world.errors = [redis.ConnectionError("away"), OSError("away")]
    world.moved.put(b"a", "old")
    until(lambda: world.looks >= 4)
    assert world.followed == []
    world.where[b"a"] = "new"
    until(lambda: world.followed == [b"a"])


def test_a_slot_that_came_back_is_followed_where_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moved_module, "ATTEMPTS", 3)
    world.where[b"a"] = "old"
    world.moved.put(b"a", "old")
    until(lambda: world.followed == [b"a"])
    assert world.looks == 4


def test_nothing_is_asked_while_nothing_moves(world: World) -> None:
    world.where[b"a"] = "new"
    world.moved.put(b"a", "old")
    until(lambda: not world.moved.pending)
    world.moved.put(b"a", "old")
    until(lambda: len(world.followed) == 2)
    assert world.looks == 2
