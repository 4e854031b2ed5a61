"""Reading what was missed, from real Redis servers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import redis

from fws_gevent.cluster import catch_up as catch_up_module
from fws_gevent.cluster.catch_up import ENTRIES, FEEDS, CatchUp
from fws_gevent.cluster.effects import Effect, Effects
from fws_gevent.cluster.stream_reader import Feed
from fws_gevent.loop.inbox import Inbox
from fws_gevent.loop.reactor import Reactor
from fws_gevent.publisher import Publisher
from fws_gevent.redis_io.backoff import Backoff
from fws_gevent.redis_io.entries import Entry
from fws_gevent.redis_io.keys import Keys
from fws_gevent.redis_io.publishing import StreamTerms
from fws_gevent.redis_io.servers import OneServer
from tests.conftest import StartRedis
from tests.redis_processes import RedisProcess
from tests.waiting import until

KEYS = Keys("fws")


class Reader:
    """A catch-up with feeds that note what they get."""

    def __init__(self, port: int, terms: StreamTerms, reactor: Reactor) -> None:
        self.servers = OneServer(
            "here", {"host": "127.0.0.1", "port": port, "socket_timeout": 0.2}
        )  # fmt: skip
        self.catch_up = CatchUp(self.servers, terms)
        self.publisher = Publisher(self.servers, terms=terms, timeout=10)
        self.got: dict[str | None, list[Any]] = {}
        self.members = 1
        self._reactor = reactor

    def feed(self, group: str | None = "kitchen") -> Feed:
        def of(group: str | None, entry: Entry) -> Effect | None:
            return None if entry.kind == b"begin" else Effect(self.note, (group, entry.data))

        effects = cast("Effects", type("Made", (), {"of": staticmethod(of)}))
        return Feed(
            group, KEYS.stream(group), effects, self.gap, self.catch_up.put,
            lambda: Inbox(self._reactor),
        )  # fmt: skip

    def gap(self, group: str | None, reason: str) -> None:
        self.note(group, reason)

    def note(self, group: str | None, what: Any) -> int:
        self.got.setdefault(group, []).append(what)
        return self.members

    def begun(self, group: str | None = "kitchen") -> Feed:
        """A feed that is at the end of its stream."""
        feed = self.feed(group)
        self.catch_up.put(feed)
        until(lambda: feed.live)
        return feed

    def publish(self, *numbers: int, group: str | None = "kitchen") -> None:
        for number in numbers:
            self.publisher.publish(str(number), group)

    def asks(self) -> list[int]:
        """How many feeds are asked for together, from now on, as a list that grows."""
        asked: list[int] = []
        ask = self.catch_up._ask

        def counted(feeds: list[Feed]) -> list[Any]:
            asked.append(len(feeds))
            return ask(feeds)

        self.catch_up._ask = counted  # type: ignore[method-assign]
        return asked

    def close(self) -> None:
        self.catch_up.stop(5)
        assert self.catch_up.loop.ended
        self.servers.close()


MakeReader = Callable[..., Reader]


@pytest.fixture
def make_reader() -> Iterator[MakeReader]:
    """Makes a reader of the Redis at a port."""
    reactor = Reactor(max_runners=2)
    reactor.start()
    readers: list[Reader] = []

    def make(port: int, terms: StreamTerms | None = None) -> Reader:
        readers.append(Reader(port, terms or StreamTerms(), reactor))
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()
    reactor.stop()


@pytest.fixture
def reader(redis_server: RedisProcess, make_reader: MakeReader) -> Reader:
    return make_reader(redis_server.port)


def data(*numbers: int) -> list[bytes]:
    return [b"%d" % number for number in numbers]


def test_a_feed_begins_where_the_stream_stands(reader: Reader) -> None:
    reader.publish(1, 2)
    feed = reader.begun()
    assert feed.ready.is_set()
    assert reader.got == {}
    reader.publish(3, 4)
    feed.behind()
    until(lambda: feed.live)
    assert reader.got == {"kitchen": data(3, 4)}


def test_what_was_published_before_anybody_followed_the_new_stream_is_proven(
    reader: Reader,
) -> None:
    feed = reader.begun()
    assert feed.place is not None
    reader.publish(*range(3))
    feed.behind()
    until(lambda: feed.live)
    assert reader.got == {"kitchen": data(0, 1, 2)}


def test_more_than_one_answer_holds_comes_whole_and_in_order(reader: Reader) -> None:
    feed = reader.begun()
    numbers = range(2 * ENTRIES + 50)
    reader.publish(*numbers)
    asked = reader.asks()
    feed.behind()
    until(lambda: feed.live)
    assert reader.got == {"kitchen": data(*numbers)}
    assert asked == [1, 1, 1]


def test_many_feeds_are_read_together_each_its_own(reader: Reader) -> None:
    groups = [f"g{number}" for number in range(3 * FEEDS)]
    feeds = [reader.feed(group) for group in groups]
    asked = reader.asks()
    for feed in feeds:
        reader.catch_up.put(feed)
        reader.catch_up.put(feed)  # once is enough
    until(lambda: all(feed.live for feed in feeds))
    assert sum(asked) <= 4 * FEEDS, "the first ask found the script missing"
    assert max(asked) == FEEDS
    for number, group in enumerate(groups):
        reader.publish(number, group=group)
    for feed in feeds:
        feed.behind()
    until(lambda: len(reader.got) == len(groups))
    assert reader.got == {group: data(number) for number, group in enumerate(groups)}


def test_a_feed_that_was_left_while_it_waited_is_not_read(reader: Reader) -> None:
    feed, other = reader.begun(), reader.begun("other")
    reader.publish(1)
    reader.publish(2, group="other")
    asked = reader.asks()
    feed.behind()
    feed.closed = True
    other.behind()
    until(lambda: other.live)
    assert asked == [1]
    assert reader.got == {"other": data(2)}
    assert not feed.live
    assert not feed.queued


def test_a_feed_that_was_left_while_redis_was_asked_hands_nothing_on(reader: Reader) -> None:
    feed = reader.begun()
    reader.publish(1)
    ask = reader.catch_up._ask

    def leave_meanwhile(feeds: list[Feed]) -> list[Any]:
        answers = ask(feeds)
        feed.closed = True
        return answers

    reader.catch_up._ask = leave_meanwhile  # type: ignore[method-assign]
    feed.behind()
    until(lambda: feed.closed)
    reader.begun("other")
    assert reader.got == {}


def test_entries_that_are_gone_are_told_as_a_gap_before_those_that_are_left(
    redis_server: RedisProcess, reader: Reader
) -> None:
    feed = reader.begun()
    reader.publish(1, 2, 3)
    with redis_server.client() as client:
        client.xtrim(feed.channel.decode(), maxlen=1, approximate=False)
    feed.behind()
    until(lambda: feed.live)
    # The gap waits for its turn; these effects are done at once.
    until(lambda: len(reader.got["kitchen"]) == 2)
    assert set(reader.got["kitchen"]) == {"trimmed", b"3"}


@pytest.mark.parametrize("refilled", [False, True])
def test_an_emptied_redis_is_a_gap_and_the_stream_goes_on(
    redis_server: RedisProcess, reader: Reader, refilled: bool
) -> None:
    feed = reader.begun()
    with redis_server.client() as client:
        client.flushall()
    if refilled:
        reader.publish(1)
    feed.behind()
    until(lambda: feed.live)
    reader.publish(2)
    feed.behind()
    until(lambda: feed.live and len(reader.got.get("kitchen", [])) >= 2 + refilled)
    assert "lost" in reader.got["kitchen"]
    messages = [each for each in reader.got["kitchen"] if each != "lost"]
    assert messages == data(*([1, 2] if refilled else [2]))
    assert len(reader.got["kitchen"]) == len(messages) + 1


def test_a_redis_that_forgot_the_script_is_told_again(
    redis_server: RedisProcess, reader: Reader
) -> None:
    feed = reader.begun()
    with redis_server.client() as client:
        for number in range(3):
            client.script_flush()
            reader.publish(number)
            feed.behind()
            until(lambda: feed.live)
    assert reader.got == {"kitchen": data(0, 1, 2)}


def test_it_tries_until_redis_is_back(start_redis: StartRedis, make_reader: MakeReader) -> None:
    redis_server = start_redis(persistent=True)
    reader = make_reader(redis_server.port)
    feed = reader.begun()
    reader.publish(1)
    redis_server.kill()
    feed.behind()
    failures = reader.asks()
    until(lambda: len(failures) >= 3)
    assert not feed.live
    redis_server.start()
    until(lambda: feed.live)
    assert reader.got == {"kitchen": data(1)}


def test_a_frozen_redis_is_asked_again(start_redis: StartRedis, make_reader: MakeReader) -> None:
    redis_server = start_redis()
    reader = make_reader(redis_server.port)
    feed = reader.begun()
    reader.publish(1)
    asked = reader.asks()
    redis_server.freeze()
    try:
        feed.behind()
        until(lambda: len(asked) == 2)
    finally:
        redis_server.thaw()
    until(lambda: feed.live)
    assert reader.got == {"kitchen": data(1)}


def test_a_stream_that_can_not_be_read_holds_up_no_other(
    redis_server: RedisProcess, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    bad = reader.feed("bad")
    with redis_server.client() as client:
        client.set(bad.channel, "no stream")
        reader.catch_up.put(bad)
        good = reader.begun()
        reader.publish(1)
        good.behind()
        until(lambda: good.live)
        assert reader.got == {"kitchen": data(1)}
        until(lambda: "WRONGTYPE" in caplog.text)
        assert not bad.live
        client.delete(bad.channel)
    until(lambda: bad.live)


def test_an_error_that_nobody_foresaw_is_no_end(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = reader.begun()
    reader.publish(1)
    client: Any = reader.servers.client
    pipeline, failures = client.pipeline, [redis.exceptions.RedisClusterException("no master")]

    def fail_once(**options: Any) -> Any:
        if failures:
            raise failures.pop()
        return pipeline(**options)

    monkeypatch.setattr(client, "pipeline", fail_once)
    feed.behind()
    until(lambda: feed.live)
    assert not failures
    assert reader.got == {"kitchen": data(1)}


@pytest.mark.parametrize("last", [False, True])
def test_somebody_elses_entry_in_the_stream_harms_nothing(
    redis_server: RedisProcess, reader: Reader, last: bool
) -> None:
    feed = reader.begun()
    with redis_server.client() as client:
        client.xadd(feed.channel.decode(), {"some": "thing"})
    if not last:
        reader.publish(1)
    feed.behind()
    until(lambda: feed.live)
    reader.publish(2)
    feed.behind()
    until(lambda: feed.live)
    assert reader.got == {"kitchen": data(*([2] if last else [1, 2]))}


# Bounds, and failures of one among many.


def test_large_messages_in_many_streams_come_in_trips_of_a_bounded_size(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up_module, "SIZE", 60_000)
    groups = [f"g{number}" for number in range(12)]
    feeds = [reader.begun(group) for group in groups]
    sent = [os.urandom(20_000) for _ in range(5)]
    for group in groups:
        for each in sent:
            reader.publisher.publish(each, group)
    answered: list[tuple[int, int]] = []
    ask = reader.catch_up._ask

    def weighed(feeds: list[Feed]) -> list[Any]:
        answers = ask(feeds)
        entries = [each for answer in answers for each in answer[2]]
        answered.append((len(entries), sum(len(fields[-1]) for _, fields in entries)))
        return answers

    reader.catch_up._ask = weighed  # type: ignore[method-assign]
    for feed in feeds:
        feed.behind()
    until(lambda: all(feed.live for feed in feeds))
    assert reader.got == dict.fromkeys(groups, sent)
    assert max(size for _, size in answered) <= 60_000
    assert not any(feed.large for feed in feeds)


def test_a_message_that_is_larger_than_a_trip_is_read_alone(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up_module, "SIZE", 1000)
    feeds = {group: reader.begun(group) for group in ("a", "b", "c")}
    for number in range(3):
        for group in feeds:
            reader.publisher.publish(b"%d" % number * 5000, group)
    asked = reader.asks()
    for feed in feeds.values():
        feed.behind()
    until(lambda: all(feed.live for feed in feeds.values()))
    assert reader.got == {group: [b"%d" % each * 5000 for each in range(3)] for group in feeds}
    assert asked == [3] + [1] * 9


def test_a_redis_that_is_too_slow_for_a_trip_is_asked_for_less(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds = [reader.begun(f"g{number}") for number in range(FEEDS)]
    for feed in feeds:
        reader.publish(1, group=feed.group)
    pipeline = reader.servers.pipeline

    def slow(place: str) -> Any:
        made = pipeline(place)
        execute = made.execute

        def execute_few(**options: Any) -> Any:
            if len(made.command_stack) > 4:
                raise redis.TimeoutError("too slow for so many")
            return execute(**options)

        made.execute = execute_few
        return made

    monkeypatch.setattr(reader.servers, "pipeline", slow)
    for feed in feeds:
        feed.behind()
    until(lambda: all(feed.live for feed in feeds))
    assert reader.got == {feed.group: data(1) for feed in feeds}


def test_streams_that_redis_refuses_are_put_aside_and_told_once_each(
    redis_server: RedisProcess,
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    reader.begun("first")  # the script is known from here on
    bad = [reader.feed(f"bad{number}") for number in range(3)]
    good = [reader.feed(f"g{number}") for number in range(3 * FEEDS)]
    client = cast("Any", redis_server.client())
    for feed in bad:
        client.set(feed.channel, "no stream")
    # A trip of which a part fails is followed by the next one at once.
    monkeypatch.setattr(Backoff, "seconds", lambda self: 3600.0)
    for number, feed in enumerate(good):
        if number % FEEDS == 0:
            reader.catch_up.put(bad[number // FEEDS])
        reader.catch_up.put(feed)
    until(lambda: all(feed.live for feed in good))
    until(lambda: all(feed.failures >= 2 for feed in bad))
    assert not any(feed.live for feed in bad)
    refusals = [each for each in caplog.records if "WRONGTYPE" in each.getMessage()]
    assert len(refusals) == len(bad)
    client.close()


def test_a_feed_that_was_to_be_read_later_is_read_now_where_that_is_asked_for(
    reader: Reader,
) -> None:
    feed = reader.begun()
    reader.publish(1)
    feed.behind(3600.0)
    assert not feed.live
    feed.behind()
    until(lambda: feed.live)
    assert reader.got == {"kitchen": data(1)}
    assert not feed.queued


def test_an_entry_that_one_feed_chokes_on_costs_the_others_nothing(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up_module, "LONGEST_PAUSE", 0.01)
    odd, good = reader.begun("odd"), reader.begun()
    reader.publish(1)
    reader.publish(2, group="odd")
    failures = [TypeError("a fault of ours")]
    resumed = Feed.resumed

    def fail_once(feed: Feed, *arguments: Any) -> bool:
        if feed is odd and failures:
            raise failures.pop()
        return resumed(feed, *arguments)

    monkeypatch.setattr(Feed, "resumed", fail_once)
    odd.behind()
    good.behind()
    until(lambda: good.live and odd.live)
    assert reader.got == {"kitchen": data(1), "odd": data(2)}
    assert reader.catch_up.loop.count == 1


def test_what_goes_to_many_connections_is_read_in_smaller_parts(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up_module, "WORK", 100)
    monkeypatch.setattr(reader, "members", 30)
    feed = reader.begun()
    reader.publish(0)
    feed.behind()
    until(lambda: feed.live)
    reader.publish(*range(1, 10))
    asked = reader.asks()
    feed.behind()
    until(lambda: feed.live)
    assert reader.got == {"kitchen": data(*range(10))}
    assert len(asked) == 3, "three messages to thirty connections in each trip"
