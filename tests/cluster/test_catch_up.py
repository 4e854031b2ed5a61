"""Reading missed entries from real Redis servers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import redis

from fws_gevent.cluster import catch_up as catch_up_module
from fws_gevent.cluster.catch_up import ENTRIES, READERS, CatchUp
from fws_gevent.cluster.effects import Effect, Effects
from fws_gevent.cluster.stream_reader import StreamReader
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


class World:
    """A catch-up with readers that note what they get."""

    def __init__(self, port: int, terms: StreamTerms, reactor: Reactor) -> None:
        self.servers = OneServer(
            "here", {"host": "127.0.0.1", "port": port, "socket_timeout": 0.2}
        )  # fmt: skip
        self.catch_up = CatchUp(self.servers, terms)
        self.publisher = Publisher(self.servers, terms=terms, timeout=10)
        self.got: dict[str | None, list[Any]] = {}
        self.members = 1
        self._reactor = reactor

    def reader(self, group: str | None = "kitchen") -> StreamReader:
        def of(group: str | None, entry: Entry) -> Effect | None:
            return None if entry.kind == b"begin" else Effect(self.note, (group, entry.data))

        effects = cast("Effects", type("Made", (), {"of": staticmethod(of)}))
        return StreamReader(
            group, KEYS.stream(group), effects, self.gap, self.catch_up.put,
            lambda: Inbox(self._reactor),
        )  # fmt: skip

    def gap(self, group: str | None, reason: str) -> None:
        self.note(group, reason)

    def note(self, group: str | None, what: Any) -> int:
        self.got.setdefault(group, []).append(what)
        return self.members

    def begun(self, group: str | None = "kitchen") -> StreamReader:
        """A reader that is at the end of its stream."""
        reader = self.reader(group)
        self.catch_up.put(reader)
        until(lambda: reader.live)
        return reader

    def publish(self, *numbers: int, group: str | None = "kitchen") -> None:
        for number in numbers:
            self.publisher.publish(str(number), group)

    def asks(self) -> list[int]:
        """Return a list that grows by the number of readers of each request."""
        asked: list[int] = []
        ask = self.catch_up._ask

        def counted(readers: list[StreamReader]) -> list[Any]:
            asked.append(len(readers))
            return ask(readers)

        self.catch_up._ask = counted  # type: ignore[method-assign]
        return asked

    def close(self) -> None:
        self.catch_up.stop(5)
        assert self.catch_up.loop.ended
        self.servers.close()


MakeWorld = Callable[..., World]


@pytest.fixture
def make_world() -> Iterator[MakeWorld]:
    """Makes a world of the Redis at a port."""
    reactor = Reactor(max_runners=2)
    reactor.start()
    worlds: list[World] = []

    def make(port: int, terms: StreamTerms | None = None) -> World:
        worlds.append(World(port, terms or StreamTerms(), reactor))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()
    reactor.stop()


@pytest.fixture
def world(redis_server: RedisProcess, make_world: MakeWorld) -> World:
    return make_world(redis_server.port)


def data(*numbers: int) -> list[bytes]:
    return [b"%d" % number for number in numbers]


def test_a_feed_begins_where_the_stream_stands(world: World) -> None:
    world.publish(1, 2)
    reader = world.begun()
    assert reader.ready.is_set()
    assert world.got == {}
    world.publish(3, 4)
    reader.behind()
    until(lambda: reader.live)
    assert world.got == {"kitchen": data(3, 4)}


def test_messages_before_the_first_reader_of_a_new_stream_are_proven(
    world: World,
) -> None:
    reader = world.begun()
    assert reader.position is not None
    world.publish(*range(3))
    reader.behind()
    until(lambda: reader.live)
    assert world.got == {"kitchen": data(0, 1, 2)}


def test_more_than_one_answer_holds_comes_whole_and_in_order(world: World) -> None:
    reader = world.begun()
    numbers = range(2 * ENTRIES + 50)
    world.publish(*numbers)
    asked = world.asks()
    reader.behind()
    until(lambda: reader.live)
    assert world.got == {"kitchen": data(*numbers)}
    assert asked == [1, 1, 1]


def test_many_feeds_are_read_together_each_its_own(world: World) -> None:
    groups = [f"g{number}" for number in range(3 * READERS)]
    readers = [world.reader(group) for group in groups]
    asked = world.asks()
    for reader in readers:
        world.catch_up.put(reader)
        world.catch_up.put(reader)  # once is enough
    until(lambda: all(reader.live for reader in readers))
    assert sum(asked) <= 4 * READERS, "the first ask found the script missing"
    assert max(asked) == READERS
    for number, group in enumerate(groups):
        world.publish(number, group=group)
    for reader in readers:
        reader.behind()
    until(lambda: len(world.got) == len(groups))
    assert world.got == {group: data(number) for number, group in enumerate(groups)}


def test_a_feed_that_was_left_while_it_waited_is_not_read(world: World) -> None:
    reader, other = world.begun(), world.begun("other")
    world.publish(1)
    world.publish(2, group="other")
    asked = world.asks()
    reader.behind()
    reader.closed = True
    other.behind()
    until(lambda: other.live)
    assert asked == [1]
    assert world.got == {"other": data(2)}
    assert not reader.live
    assert not reader.queued


def test_a_feed_that_was_left_while_redis_was_asked_hands_nothing_on(world: World) -> None:
    reader = world.begun()
    world.publish(1)
    ask = world.catch_up._ask

    def leave_meanwhile(readers: list[StreamReader]) -> list[Any]:
        answers = ask(readers)
        reader.closed = True
        return answers

    world.catch_up._ask = leave_meanwhile  # type: ignore[method-assign]
    reader.behind()
    until(lambda: reader.closed)
    world.begun("other")
    assert world.got == {}


def test_entries_that_are_gone_are_told_as_a_gap_before_those_that_are_left(
    redis_server: RedisProcess, world: World
) -> None:
    reader = world.begun()
    world.publish(1, 2, 3)
    with redis_server.client() as client:
        client.xtrim(reader.channel.decode(), maxlen=1, approximate=False)
    reader.behind()
    until(lambda: reader.live)
    # The gap waits for its turn; these effects are done at once.
    until(lambda: len(world.got["kitchen"]) == 2)
    assert set(world.got["kitchen"]) == {"trimmed", b"3"}


@pytest.mark.parametrize("refilled", [False, True])
def test_an_emptied_redis_is_a_gap_and_the_stream_goes_on(
    redis_server: RedisProcess, world: World, refilled: bool
) -> None:
    reader = world.begun()
    with redis_server.client() as client:
        client.flushall()
    if refilled:
        world.publish(1)
    reader.behind()
    until(lambda: reader.live)
    world.publish(2)
    reader.behind()
    until(lambda: reader.live and len(world.got.get("kitchen", [])) >= 2 + refilled)
    assert "lost" in world.got["kitchen"]
    messages = [each for each in world.got["kitchen"] if each != "lost"]
    assert messages == data(*([1, 2] if refilled else [2]))
    assert len(world.got["kitchen"]) == len(messages) + 1


def test_a_redis_that_forgot_the_script_is_told_again(
    redis_server: RedisProcess, world: World
) -> None:
    reader = world.begun()
    with redis_server.client() as client:
        for number in range(3):
            client.script_flush()
            world.publish(number)
            reader.behind()
            until(lambda: reader.live)
    assert world.got == {"kitchen": data(0, 1, 2)}


def test_it_tries_until_redis_is_back(start_redis: StartRedis, make_world: MakeWorld) -> None:
    redis_server = start_redis(persistent=True)
    world = make_world(redis_server.port)
    reader = world.begun()
    world.publish(1)
    redis_server.kill()
    reader.behind()
    failures = world.asks()
    until(lambda: len(failures) >= 3)
    assert not reader.live
    redis_server.start()
    until(lambda: reader.live)
    assert world.got == {"kitchen": data(1)}


def test_a_frozen_redis_is_asked_again(start_redis: StartRedis, make_world: MakeWorld) -> None:
    redis_server = start_redis()
    world = make_world(redis_server.port)
    reader = world.begun()
    world.publish(1)
    asked = world.asks()
    redis_server.freeze()
    try:
        reader.behind()
        until(lambda: len(asked) == 2)
    finally:
        redis_server.thaw()
    until(lambda: reader.live)
    assert world.got == {"kitchen": data(1)}


def test_a_stream_that_can_not_be_read_holds_up_no_other(
    redis_server: RedisProcess, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    bad = world.reader("bad")
    with redis_server.client() as client:
        client.set(bad.channel, "no stream")
        world.catch_up.put(bad)
        good = world.begun()
        world.publish(1)
        good.behind()
        until(lambda: good.live)
        assert world.got == {"kitchen": data(1)}
        until(lambda: "WRONGTYPE" in caplog.text)
        assert not bad.live
        client.delete(bad.channel)
    until(lambda: bad.live)


def test_an_unexpected_error_does_not_end_the_reading(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = world.begun()
    world.publish(1)
    client: Any = world.servers.client
    pipeline, failures = client.pipeline, [redis.exceptions.RedisClusterException("no master")]

    def fail_once(**options: Any) -> Any:
        if failures:
            raise failures.pop()
        return pipeline(**options)

    monkeypatch.setattr(client, "pipeline", fail_once)
    reader.behind()
    until(lambda: reader.live)
    assert not failures
    assert world.got == {"kitchen": data(1)}


@pytest.mark.parametrize("last", [False, True])
def test_somebody_elses_entry_in_the_stream_harms_nothing(
    redis_server: RedisProcess, world: World, last: bool
) -> None:
    reader = world.begun()
    with redis_server.client() as client:
        client.xadd(reader.channel.decode(), {"some": "thing"})
    if not last:
        world.publish(1)
    reader.behind()
    until(lambda: reader.live)
    world.publish(2)
    reader.behind()
    until(lambda: reader.live)
    assert world.got == {"kitchen": data(*([2] if last else [1, 2]))}


# Bounds, and failures of one among many.


def test_large_messages_in_many_streams_come_in_trips_of_a_bounded_size(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up_module, "SIZE", 60_000)
    groups = [f"g{number}" for number in range(12)]
    readers = [world.begun(group) for group in groups]
    sent = [os.urandom(20_000) for _ in range(5)]
    for group in groups:
        for each in sent:
            world.publisher.publish(each, group)
    answered: list[tuple[int, int]] = []
    ask = world.catch_up._ask

    def weighed(readers: list[StreamReader]) -> list[Any]:
        answers = ask(readers)
        entries = [each for answer in answers for each in answer[2]]
        answered.append((len(entries), sum(len(fields[-1]) for _, fields in entries)))
        return answers

    world.catch_up._ask = weighed  # type: ignore[method-assign]
    for reader in readers:
        reader.behind()
    until(lambda: all(reader.live for reader in readers))
    assert world.got == dict.fromkeys(groups, sent)
    assert max(size for _, size in answered) <= 60_000
    assert not any(reader.large for reader in readers)


def test_a_message_that_is_larger_than_a_trip_is_read_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up_module, "SIZE", 1000)
    readers = {group: world.begun(group) for group in ("a", "b", "c")}
    for number in range(3):
        for group in readers:
            world.publisher.publish(b"%d" % number * 5000, group)
    asked = world.asks()
    for reader in readers.values():
        reader.behind()
    until(lambda: all(reader.live for reader in readers.values()))
    assert world.got == {group: [b"%d" % each * 5000 for each in range(3)] for group in readers}
    assert asked == [3] + [1] * 9


def test_a_redis_that_is_too_slow_for_a_trip_is_asked_for_less(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = [world.begun(f"g{number}") for number in range(READERS)]
    for reader in readers:
        world.publish(1, group=reader.group)
    pipeline = world.servers.pipeline

    def slow(position: str) -> Any:
        made = pipeline(position)
        execute = made.execute

        def execute_few(**options: Any) -> Any:
            if len(made.command_stack) > 4:
                raise redis.TimeoutError("too slow for so many")
            return execute(**options)

        made.execute = execute_few
        return made

    monkeypatch.setattr(world.servers, "pipeline", slow)
    for reader in readers:
        reader.behind()
    until(lambda: all(reader.live for reader in readers))
    assert world.got == {reader.group: data(1) for reader in readers}


def test_streams_that_redis_refuses_are_put_aside_and_told_once_each(
    redis_server: RedisProcess,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    world.begun("first")  # the script is known from here on
    bad = [world.reader(f"bad{number}") for number in range(3)]
    good = [world.reader(f"g{number}") for number in range(3 * READERS)]
    client = cast("Any", redis_server.client())
    for reader in bad:
        client.set(reader.channel, "no stream")
    # A trip of which a part fails is followed by the next one at once.
    monkeypatch.setattr(Backoff, "seconds", lambda self: 3600.0)
    for number, reader in enumerate(good):
        if number % READERS == 0:
            world.catch_up.put(bad[number // READERS])
        world.catch_up.put(reader)
    until(lambda: all(reader.live for reader in good))
    until(lambda: all(reader.failures >= 2 for reader in bad))
    assert not any(reader.live for reader in bad)
    refusals = [each for each in caplog.records if "WRONGTYPE" in each.getMessage()]
    assert len(refusals) == len(bad)
    client.close()


def test_a_feed_that_was_to_be_read_later_is_read_now_where_that_is_asked_for(
    world: World,
) -> None:
    reader = world.begun()
    world.publish(1)
    reader.behind(3600.0)
    assert not reader.live
    reader.behind()
    until(lambda: reader.live)
    assert world.got == {"kitchen": data(1)}
    assert not reader.queued


def test_an_entry_that_one_feed_chokes_on_costs_the_others_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up_module, "LONGEST_PAUSE", 0.01)
    odd, good = world.begun("odd"), world.begun()
    world.publish(1)
    world.publish(2, group="odd")
    failures = [TypeError("a fault of ours")]
    resumed = StreamReader.resumed

    def fail_once(reader: StreamReader, *arguments: Any) -> bool:
        if reader is odd and failures:
            raise failures.pop()
        return resumed(reader, *arguments)

    monkeypatch.setattr(StreamReader, "resumed", fail_once)
    odd.behind()
    good.behind()
    until(lambda: good.live and odd.live)
    assert world.got == {"kitchen": data(1), "odd": data(2)}
    assert world.catch_up.loop.count == 1


def test_messages_to_many_connections_are_read_in_smaller_parts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up_module, "WORK", 100)
    monkeypatch.setattr(world, "members", 30)
    reader = world.begun()
    world.publish(0)
    reader.behind()
    until(lambda: reader.live)
    world.publish(*range(1, 10))
    asked = world.asks()
    reader.behind()
    until(lambda: reader.live)
    assert world.got == {"kitchen": data(*range(10))}
    assert len(asked) == 3, "three messages to thirty connections in each trip"
