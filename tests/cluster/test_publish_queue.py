"""The queue against real Redis servers: order, deadlines, and each message once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
import redis
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    TryAgainError,
)

from fws_gevent.cluster import publish_queue as publish_queue_module
from fws_gevent.cluster.publish_queue import PublishQueue
from fws_gevent.errors import PublishFailed
from fws_gevent.redis_io.backoff import Backoff
from fws_gevent.redis_io.keys import Keys
from fws_gevent.redis_io.publishing import Publication, StreamTerms
from fws_gevent.redis_io.servers import OneServer
from tests.conftest import StartRedis
from tests.redis_processes import RedisProcess
from tests.waiting import until

from .test_subscription import Proxy

KEYS = Keys("fws")
TERMS = StreamTerms(deadline=10.0)
HASTY = StreamTerms(deadline=0.5)

MakeQueue = Callable[..., PublishQueue]


@pytest.fixture
def make_queue() -> Iterator[MakeQueue]:
    """Makes a queue to the Redis at a port."""
    queues: list[tuple[PublishQueue, OneServer]] = []

    def make(port: int, terms: StreamTerms = TERMS) -> PublishQueue:
        servers = OneServer(
            "here", {"host": "127.0.0.1", "port": port, "socket_timeout": 0.2}
        )  # fmt: skip
        queue = PublishQueue(servers, KEYS, terms)
        queues.append((queue, servers))
        return queue

    yield make
    for queue, servers in queues:
        queue.stop(5)
        assert queue.loop.ended
        servers.close()


def message(data: bytes, terms: StreamTerms = TERMS, group: str | None = "kitchen") -> Publication:
    return Publication(group, b"text", data, seconds=terms.deadline)


def stored(redis_server: RedisProcess, group: str | None = "kitchen") -> list[bytes]:
    with redis_server.client() as client:
        return [fields[b"data"] for _, fields in client.xrange(KEYS.stream(group).decode())]


def test_a_message_is_published_and_its_id_returned(
    redis_server: RedisProcess, make_queue: MakeQueue
) -> None:
    queue = make_queue(redis_server.port)
    found = queue.publish(message(b"soup"))
    with redis_server.client() as client:
        ((stream_id, fields),) = client.xrange(KEYS.stream("kitchen").decode())
    assert stream_id.decode() == found
    assert fields[b"data"] == b"soup"
    assert not queue.failing


def test_messages_are_published_in_the_order_of_the_calls(
    redis_server: RedisProcess, make_queue: MakeQueue
) -> None:
    queue = make_queue(redis_server.port)
    greenlets = [gevent.spawn(queue.publish, message(b"%d" % number)) for number in range(1000)]
    gevent.joinall(greenlets, timeout=20)
    ids = [tuple(map(int, each.get(block=False).split("-"))) for each in greenlets]
    assert ids == sorted(set(ids))
    assert stored(redis_server) == [b"%d" % number for number in range(1000)]


def test_waiting_messages_are_sent_in_one_batch(
    redis_server: RedisProcess, make_queue: MakeQueue
) -> None:
    queue = make_queue(redis_server.port)
    calls: list[int] = []
    call = queue._call

    def counted(publications: list[Publication]) -> list[Any]:
        calls.append(len(publications))
        return call(publications)

    queue._call = counted  # type: ignore[method-assign]
    half = b"x" * (publish_queue_module.MAX_BATCH_SIZE // 2)
    for batch in ([b"%d" % number for number in range(200)], [half] * 3):
        gevent.joinall([gevent.spawn(queue.publish, message(data)) for data in batch], timeout=20,
                       raise_error=True)  # fmt: skip
    # The first call is refused, since nobody has loaded the script yet.
    assert calls == [publish_queue_module.MAX_BATCH, publish_queue_module.MAX_BATCH, 72, 2, 1]


def test_many_greenlets_get_each_their_own_answer(
    redis_server: RedisProcess, make_queue: MakeQueue
) -> None:
    queue = make_queue(redis_server.port)

    def talk(group: str) -> list[str]:
        return [queue.publish(message(f"{group} {number}".encode(), group=group))
                for number in range(20)]  # fmt: skip

    greenlets = {f"g{number}": gevent.spawn(talk, f"g{number}") for number in range(50)}
    gevent.joinall(list(greenlets.values()), timeout=30, raise_error=True)
    with redis_server.client() as client:
        for group, greenlet in greenlets.items():
            found = client.xrange(KEYS.stream(group).decode())
            assert [stream_id.decode() for stream_id, _ in found] == greenlet.value
            assert [fields[b"data"].decode() for _, fields in found] == [
                f"{group} {number}" for number in range(20)
            ]


def test_with_redis_frozen_a_publish_fails_at_its_deadline_and_comes_not_later(
    start_redis: StartRedis, make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    redis_server = start_redis()
    queue = make_queue(redis_server.port, HASTY)
    queue.publish(message(b"before", HASTY))
    redis_server.freeze()
    try:
        late = message(b"late", HASTY)
        with gevent.Timeout(10), pytest.raises(PublishFailed, match=r"for 0\.5 s"):
            queue.publish(late)
        assert late.left <= 0
        until(lambda: queue.failing)
    finally:
        redis_server.thaw()
    until(lambda: not queue._waiting)
    # Redis reads now what was sent to it while it was frozen, and finds it late.
    assert queue.publish(message(b"after", HASTY))
    assert stored(redis_server) == [b"before", b"after"]
    until(lambda: not queue.failing)
    assert sum("takes no messages" in each.getMessage() for each in caplog.records) == 1


def test_a_redis_that_thaws_in_time_gets_each_message_once(
    start_redis: StartRedis, make_queue: MakeQueue
) -> None:
    redis_server = start_redis()
    queue = make_queue(redis_server.port)
    queue.publish(message(b"0"))
    redis_server.freeze()
    try:
        greenlets = [gevent.spawn(queue.publish, message(b"%d" % each)) for each in range(1, 50)]
        until(lambda: queue.failing)  # the first attempt is over, the others have begun
    finally:
        redis_server.thaw()
    gevent.joinall(greenlets, timeout=20, raise_error=True)
    assert stored(redis_server) == [b"%d" % number for number in range(50)]


def test_while_redis_is_down_publishes_fail_and_go_on_when_it_is_back(
    start_redis: StartRedis, make_queue: MakeQueue
) -> None:
    redis_server = start_redis(persistent=True)
    queue = make_queue(redis_server.port, HASTY)
    queue.publish(message(b"before", HASTY))
    redis_server.kill()
    with pytest.raises(PublishFailed):
        queue.publish(message(b"lost", HASTY))
    redis_server.start()
    waits = gevent.spawn(queue.publish, message(b"after", HASTY))
    assert waits.get(timeout=10)
    assert stored(redis_server) == [b"before", b"after"]


def test_a_message_whose_answer_was_lost_is_published_once(
    redis_server: RedisProcess, make_queue: MakeQueue
) -> None:
    proxy = Proxy(redis_server.port)
    queue = make_queue(proxy.port)
    queue.publish(message(b"first"))  # the script is known, and the clock
    proxy.cut = True
    lost = queue.publish(message(b"second"))
    assert proxy.cuts == 1
    with redis_server.client() as client:
        found = client.xrange(KEYS.stream("kitchen").decode())
    assert [fields[b"data"] for _, fields in found] == [b"first", b"second"]
    assert found[1][0].decode() == lost
    queue.stop(5)
    proxy.close()


def test_a_batch_of_which_the_answers_were_lost_is_published_once_and_in_order(
    redis_server: RedisProcess, make_queue: MakeQueue
) -> None:
    proxy = Proxy(redis_server.port)
    queue = make_queue(proxy.port)
    queue.publish(message(b"0"))
    proxy.cut = True
    greenlets = [gevent.spawn(queue.publish, message(b"%d" % number)) for number in range(1, 100)]
    gevent.joinall(greenlets, timeout=20, raise_error=True)
    assert proxy.cuts == 1
    assert stored(redis_server) == [b"%d" % number for number in range(100)]
    queue.stop(5)
    proxy.close()


def test_a_redis_that_forgot_the_script_is_told_again(
    redis_server: RedisProcess, make_queue: MakeQueue
) -> None:
    queue = make_queue(redis_server.port)
    with redis_server.client() as client:
        for number in range(5):
            client.script_flush()
            queue.publish(message(b"%d" % number))
    assert stored(redis_server) == [b"%d" % number for number in range(5)]
    assert not queue.failing


def test_more_than_may_wait_is_refused_at_once(
    start_redis: StartRedis, make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_queue_module, "MAX_WAITING", 3)
    redis_server = start_redis()
    queue = make_queue(redis_server.port)
    redis_server.freeze()
    try:
        taken = [gevent.spawn(queue.publish, message(b"out"))]
        until(lambda: queue.failing)  # it is on its way, and waits no more
        taken += [gevent.spawn(queue.publish, message(b"waits")) for _ in range(3)]
        until(lambda: len(queue._waiting) == 3)
        refused = message(b"refused")
        with pytest.raises(PublishFailed, match="wait for Redis already"):
            queue.publish(refused)
        assert refused.left > 5
    finally:
        redis_server.thaw()
    gevent.joinall(taken, timeout=20, raise_error=True)
    assert stored(redis_server) == [b"out", b"waits", b"waits", b"waits"]


def test_a_replica_is_waited_for_until_it_is_the_master(
    start_redis: StartRedis, make_queue: MakeQueue
) -> None:
    redis_server = start_redis()
    queue = make_queue(redis_server.port)
    queue.publish(message(b"before"))
    with redis_server.client() as client:
        # Its master isn't there, so it keeps what it has and takes no more.
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        waits = gevent.spawn(queue.publish, message(b"meanwhile"))
        until(lambda: queue.failing)
        assert not waits.ready()
        client.execute_command("REPLICAOF", "NO", "ONE")
        assert waits.get(timeout=10)
    assert stored(redis_server) == [b"before", b"meanwhile"]


def test_a_replica_for_good_fails_at_the_deadline(
    start_redis: StartRedis, make_queue: MakeQueue
) -> None:
    redis_server = start_redis(["--replicaof", "127.0.0.1 1"])
    queue = make_queue(redis_server.port, HASTY)
    with pytest.raises(PublishFailed, match="took no message"):
        queue.publish(message(b"never", HASTY))


def test_a_final_refusal_fails_one_message_at_once(
    redis_server: RedisProcess, make_queue: MakeQueue
) -> None:
    queue = make_queue(redis_server.port)
    with redis_server.client() as client:
        client.set(KEYS.stream("taken"), "no stream")
    bad = message(b"bad", group="taken")
    outcomes = [gevent.spawn(queue.publish, each) for each in
                (message(b"good"), bad, message(b"good too"))]  # fmt: skip
    gevent.joinall(outcomes, timeout=20)
    with pytest.raises(PublishFailed, match=r"refused.*WRONGTYPE"):
        outcomes[1].get(block=False)
    assert bad.left > 5
    assert outcomes[0].successful()
    assert outcomes[2].successful()
    assert stored(redis_server) == [b"good", b"good too"]


def test_an_unexpected_error_is_tried_again(
    redis_server: RedisProcess, make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = make_queue(redis_server.port)
    client: Any = queue._servers.client
    pipeline, failures = client.pipeline, [redis.exceptions.RedisClusterException("no master")]

    def fail_once(**options: Any) -> Any:
        if failures:
            raise failures.pop()
        return pipeline(**options)

    monkeypatch.setattr(client, "pipeline", fail_once)
    assert queue.publish(message(b"soup"))
    assert not failures
    assert stored(redis_server) == [b"soup"]


def test_stop_sends_waiting_messages_and_refuses_later_ones(
    redis_server: RedisProcess, make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_queue_module, "MAX_BATCH", 1)
    queue = make_queue(redis_server.port)
    begun: list[bytes] = []

    def publish(data: bytes) -> None:
        begun.append(data)
        queue.publish(message(data))

    last = [gevent.spawn(publish, b"%d" % number) for number in range(300)]
    until(lambda: len(begun) == 300)
    queue.stop(20)
    assert queue.loop.ended
    gevent.joinall(last, timeout=20, raise_error=True)
    assert len(stored(redis_server)) == 300
    with pytest.raises(PublishFailed):
        queue.publish(message(b"too late"))


# One stream that Redis does not take.


class Refusing:
    """Has Redis refuse the messages to one group; `tried` is how many of them each trip had."""

    def __init__(self, queue: PublishQueue, group: str, error: Exception | None) -> None:
        self.error = error
        self.tried: list[int] = []
        self._group = group
        self._call = queue._call
        queue._call = self.call  # type: ignore[method-assign]

    def call(self, publications: list[Publication]) -> list[Any]:
        if self.error is None:
            return self._call(publications)
        others = [each for each in publications if each.group != self._group]
        answers = iter(self._call(others) if others else [])
        self.tried.append(len(publications) - len(others))
        return [self.error if each.group == self._group else next(answers)
                for each in publications]  # fmt: skip


@pytest.fixture
def no_pause_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a queue that pauses for all its streams wait until the test fails."""
    monkeypatch.setattr(Backoff, "seconds", lambda self: 3600.0)


PASSING_ERRORS = [TryAgainError("try again"), AskError("5 127.0.0.1:7"), ClusterDownError("down"),
                  ReadOnlyError("a replica")]  # fmt: skip


@pytest.mark.usefixtures("no_pause_for_all")
@pytest.mark.parametrize("error", PASSING_ERRORS, ids=lambda error: type(error).__name__)
def test_a_stream_that_redis_does_not_take_now_holds_up_no_other(
    redis_server: RedisProcess, make_queue: MakeQueue, error: Exception
) -> None:
    queue = make_queue(redis_server.port)
    queue.publish(message(b"first"))
    moving = Refusing(queue, "moving", error)
    waits = [
        gevent.spawn(queue.publish, message(b"%d" % each, group="moving")) for each in range(5)
    ]
    until(lambda: len(moving.tried) >= 3)
    waits += [gevent.spawn(queue.publish, message(b"5", group="moving"))]
    for number in range(20):
        queue.publish(message(b"%d" % number))
    assert not any(each.ready() for each in waits)
    assert max(moving.tried[1:]) == 1, "one is enough to see"
    moving.error = None
    gevent.joinall(waits, timeout=20, raise_error=True)
    assert stored(redis_server, "moving") == [b"%d" % number for number in range(6)]
    assert stored(redis_server) == [b"first", *(b"%d" % number for number in range(20))]
    assert not queue._aside
    assert not queue._aside_count


def test_a_stream_that_redis_does_not_take_is_told_once(
    redis_server: RedisProcess, make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
) -> None:
    queue = make_queue(redis_server.port, HASTY)
    moving = Refusing(queue, "moving", TryAgainError("try again"))
    for _ in range(3):
        with pytest.raises(PublishFailed, match=r"for 0\.5 s"):
            queue.publish(message(b"lost", HASTY, "moving"))
    assert len(moving.tried) > 5
    assert caplog.text.count("takes no messages") == 1
    assert not queue.failing
    until(lambda: not queue._aside_count)
    assert stored(redis_server, "moving") == []


def test_a_stream_without_further_messages_is_forgotten(
    redis_server: RedisProcess, make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_queue_module, "FORGOTTEN", 0.0)
    queue = make_queue(redis_server.port, HASTY)
    Refusing(queue, "moving", TryAgainError("try again"))
    lost = gevent.spawn(queue.publish, message(b"lost", HASTY, "moving"))
    until(lambda: queue._aside)
    lost.join(10)
    assert isinstance(lost.exception, PublishFailed)

    def is_forgotten() -> bool:
        queue.publish(message(b"another"))
        return not queue._aside

    until(is_forgotten)


def test_messages_that_were_put_aside_count_among_those_that_wait(
    redis_server: RedisProcess, make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_queue_module, "MAX_WAITING", 3)
    queue = make_queue(redis_server.port)
    moving = Refusing(queue, "moving", TryAgainError("try again"))
    waits = [gevent.spawn(queue.publish, message(b"1", group="moving")) for _ in range(3)]
    until(lambda: queue._aside_count == 3)
    with pytest.raises(PublishFailed, match="wait for Redis already"):
        queue.publish(message(b"refused"))
    moving.error = None
    gevent.joinall(waits, timeout=20, raise_error=True)


def test_messages_to_a_stream_that_another_server_has_by_now_go_there(
    redis_server: RedisProcess, make_queue: MakeQueue
) -> None:
    old, new = make_queue(redis_server.port), make_queue(redis_server.port)
    moved: set[bytes] = set()
    old._publish_queue_of = lambda stream: new if stream in moved else old
    old.publish(message(b"1"))
    refusing = Refusing(old, "kitchen", MovedError("5 127.0.0.1:7"))
    waits = [gevent.spawn(old.publish, message(b"%d" % number)) for number in range(2, 5)]
    until(lambda: refusing.tried)
    moved.add(KEYS.stream("kitchen"))
    gevent.joinall(waits, timeout=20, raise_error=True)
    assert stored(redis_server) == [b"1", b"2", b"3", b"4"]
