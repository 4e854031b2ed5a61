"""A message to publish: bounds of the stream, its deadline in Redis, and the meaning of answers."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import gevent
import pytest
import redis

from fws_gevent.errors import PublishFailed
from fws_gevent.redis_io.entries import TEXT
from fws_gevent.redis_io.keys import Keys
from fws_gevent.redis_io.publishing import PASSING, Publication, RedisClock, StreamTerms, id_of
from fws_gevent.redis_io.servers import RedisServers
from fws_gevent.redis_io.urls import servers_from_url

from ..clocks import ManualClock
from ..conftest import StartRedis
from ..redis_processes import RedisProcess

KEYS = Keys("fws")
KEY = KEYS.stream("kitchen")


@pytest.fixture
def servers(redis_server: RedisProcess) -> Iterator[RedisServers]:
    made = servers_from_url(redis_server.url)
    yield made
    made.close()


def milliseconds(servers: RedisServers) -> int:
    """Return the time of Redis, rounded up."""
    seconds, micros = servers.client.time()
    return int(seconds * 1000 + micros // 1000 + 1)


@pytest.mark.parametrize(
    ("size", "length"), [(0, 1000), (1, 1000), (20, 1000), (40, 500), (10_000, 2), (20_001, 1)]
)
def test_where_messages_are_large_a_stream_keeps_fewer(size: int, length: int) -> None:
    assert StreamTerms(length=1000, size=20_000).length_for(size) == length


def test_a_stream_keeps_one_message_however_large() -> None:
    assert StreamTerms(length=1000, size=10).length_for(1 << 30) == 1


def test_the_call_has_the_keys_and_arguments_of_the_script() -> None:
    terms = StreamTerms(length=100, size=1 << 20, life=60.0, deadline=1.5)
    message = Publication("kitchen", TEXT, bytearray(b"soup"), exclude="c1", seconds=1.5)
    keys, args = message.call(KEYS, terms, "PUBLISH", 1_700_000_000_000)
    assert keys == [KEYS.stream("kitchen"), KEYS.sent("kitchen", message.message_id)]
    assert args == [b"text", b"soup", "c1", message.nonce, message.nonce, 100, 60_000, 3000,
                    1_700_000_000_000, "PUBLISH"]  # fmt: skip
    assert type(args[1]) is bytes


def test_it_is_remembered_for_twice_its_deadline() -> None:
    """So that the last attempt still finds the first, however late Redis came to either."""
    message = Publication(None, TEXT, b"", seconds=0.7)
    assert message.call(KEYS, StreamTerms(deadline=0.7), "PUBLISH", 0)[1][7] == 1400


def test_every_attempt_at_a_message_is_the_same() -> None:
    message = Publication("kitchen", TEXT, b"soup", seconds=2)
    terms = StreamTerms()
    assert message.call(KEYS, terms, "PUBLISH", 5) == message.call(KEYS, terms, "PUBLISH", 5)


def test_two_messages_differ_unless_they_are_named_alike() -> None:
    one, other = (Publication(None, TEXT, b"", seconds=2) for _ in range(2))
    assert one.nonce != other.nonce
    assert one.message_id != other.message_id
    named = [Publication(None, TEXT, b"", message_id="order-7", seconds=2) for _ in range(2)]
    assert {each.message_id for each in named} == {"order-7"}
    assert named[0].nonce != named[1].nonce


def test_the_time_of_a_message_runs_out() -> None:
    clock = ManualClock()
    message = Publication(None, TEXT, b"", seconds=60, clock=clock)
    assert message.left == 60
    clock.advance(59)
    assert message.left == 1
    clock.advance(1)
    assert message.left == 0


def test_a_moment_of_ours_is_told_on_the_clock_of_redis(servers: RedisServers) -> None:
    clock = RedisClock(servers)
    clock.at(monotonic(), KEY)  # makes the connection
    clock.forget()
    before = milliseconds(servers)
    clock.at(monotonic(), KEY)
    now = monotonic()
    after = milliseconds(servers)
    # Loopback takes less than these, and a clock that were not that of Redis would be far off.
    assert before - 1000 < clock.at(now, KEY) <= after
    assert clock.at(now + 5, KEY) - clock.at(now, KEY) in (4999, 5000, 5001)


def test_a_slow_answer_never_makes_a_deadline_later(start_redis: StartRedis) -> None:
    """Redis may be frozen while it is asked; a message that failed must not appear after that."""
    process = start_redis()
    servers = servers_from_url(process.url)
    clock = RedisClock(servers)
    try:
        clock.at(monotonic(), KEY)
        clock.forget()
        process.freeze()
        thawing = gevent.spawn_later(0.3, process.thaw)
        clock.at(monotonic(), KEY)
        thawing.get()
        now = monotonic()
        assert clock.at(now, KEY) <= milliseconds(servers)
    finally:
        servers.close()


def test_the_clock_is_asked_once_until_its_time_is_over_or_it_is_forgotten(
    servers: RedisServers,
) -> None:
    def asked() -> int:
        found = servers.client.info("commandstats").get("cmdstat_time", {"calls": 0})
        return int(found["calls"])

    servers.client.config_resetstat()
    ours = ManualClock()
    clock = RedisClock(servers, ours)
    for _ in range(3):
        clock.at(ours.now, KEY)
    ours.advance(29)
    clock.at(ours.now, KEY)
    assert asked() == 1
    ours.advance(1)
    clock.at(ours.now, KEY)
    assert asked() == 2
    clock.forget()
    clock.at(ours.now, KEY)
    assert asked() == 3


def test_without_redis_the_clock_says_so(start_redis: StartRedis) -> None:
    process = start_redis()
    servers = servers_from_url(process.url)
    process.kill()
    with pytest.raises(redis.RedisError):
        RedisClock(servers).at(monotonic(), KEY)
    servers.close()


def test_the_answer_is_the_id_of_the_entry() -> None:
    assert id_of(b"1700000000000-3") == "1700000000000-3"


@pytest.mark.parametrize("kind", PASSING)
def test_a_passing_error_is_worth_another_attempt(kind: type[Exception]) -> None:
    answer = kind("1 127.0.0.1:7000") if kind is PASSING[0] else kind("wait")
    with pytest.raises(kind):
        id_of(answer)


def test_a_refused_message_has_failed() -> None:
    with pytest.raises(PublishFailed, match="WRONGTYPE"):
        id_of(redis.ResponseError("WRONGTYPE not a stream"))


def test_a_message_that_is_late_for_redis_is_worth_another_look_at_its_clock() -> None:
    """It may have been set since; where the time is really over, no attempt is left."""
    with pytest.raises(redis.ConnectionError, match="LATE"):
        id_of(redis.ResponseError("LATE the time to publish this message is over"))


@pytest.mark.parametrize("answer", [None, 0, [], "text"])
def test_an_unknown_answer_is_not_a_success(answer: object) -> None:
    with pytest.raises(redis.ConnectionError, match="no answer"):
        id_of(answer)
