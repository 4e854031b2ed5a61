"""A node learns what is revoked: once at its start, and again after each gap."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gevent
import pytest
import redis
from gevent.event import Event

from fws_gevent.cluster.revocations import Revocations
from fws_gevent.cluster.token_store import RedisTokenStore
from fws_gevent.redis_io.keys import Keys
from fws_gevent.redis_io.publishing import StreamTerms
from fws_gevent.redis_io.urls import servers_at

from ..waiting import until

Make = Callable[..., Revocations]


class Store(RedisTokenStore):
    """A store whose loads are counted, and fail as often as they are to."""

    def __init__(self) -> None:
        super().__init__(servers_at("127.0.0.1", 1), Keys("fws"), StreamTerms())
        self.loads = 0
        self.to_fail: list[Exception] = []

    def load(self) -> None:
        self.loads += 1
        if self.to_fail:
            raise self.to_fail.pop(0)
        self.following = True


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def followed() -> Event:
    return Event()


@pytest.fixture
def revocations(store: Store, followed: Event) -> Iterator[Revocations]:
    made = Revocations(store, followed)
    yield made
    made.stop(5.0)
    assert made.loop.ended


def test_they_are_loaded_once_the_stream_is_followed(
    revocations: Revocations, store: Store, followed: Event
) -> None:
    gevent.sleep(0)
    assert store.loads == 0
    followed.set()
    until(lambda: store.following)
    gevent.sleep(0)
    assert store.loads == 1
    revocations.load()
    until(lambda: store.loads == 2)


def test_a_load_that_fails_is_tried_again_and_a_refusal_is_reported_once(
    revocations: Revocations, store: Store, followed: Event, caplog: pytest.LogCaptureFixture
) -> None:
    store.to_fail = [redis.ConnectionError("away"), redis.ResponseError("NOPERM"),
                     redis.ResponseError("NOPERM"), OSError("away")]  # fmt: skip
    followed.set()
    until(lambda: store.following)
    assert store.loads == 5
    assert caplog.text.count("can't learn what is revoked: NOPERM; trying again") == 1
    assert not revocations.loop.failing


def test_after_the_end_nothing_counts_as_known(
    revocations: Revocations, store: Store, followed: Event
) -> None:
    followed.set()
    until(lambda: store.following)
    revocations.stop(5.0)
    assert not store.following
    revocations.load()
    gevent.sleep(0)
    assert store.loads == 1
