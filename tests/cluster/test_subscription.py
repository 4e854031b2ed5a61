"""A subscription, against Redis servers that are restarted, killed, frozen and cut off."""

from __future__ import annotations

import contextlib
import gc
import socket
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
import redis
from gevent.event import Event
from gevent.server import StreamServer

from fws_gevent.cluster import subscription as subscription_module
from fws_gevent.cluster.subscription import Subscription
from fws_gevent.redis_io.servers import OneServer
from tests.clients import PATIENCE
from tests.conftest import StartRedis
from tests.redis_processes import RedisProcess
from tests.waiting import until


class Proxy:
    """Stands before a Redis: `silent` lets nothing through any more, though all stays connected.

    With `cut` it forwards the next command and hangs up instead of bringing the answer.
    """

    def __init__(self, port: int) -> None:
        self.silent = self.cut = False
        self.cuts = 0
        self._target = port
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        port_given = self._server.server_port
        assert port_given
        self.port: int = port_given

    def _serve(self, client: socket.socket, _address: Any) -> None:
        with socket.create_connection(("127.0.0.1", self._target)) as server:
            back = gevent.spawn(self._bring, server, client, True)
            self._bring(client, server, False)
            back.join()

    def _bring(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(65536):
                if answers and self.cut:
                    self.cut = False
                    self.cuts += 1
                    break
                if not self.silent:
                    target.sendall(data)
        except OSError:
            pass
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.stop()


class Ear:
    """Notes what a subscription tells it."""

    def __init__(self) -> None:
        self.listening: list[bytes] = []
        self.messages: list[tuple[bytes, ...]] = []
        self.taken: list[bytes] = []
        self.anew = True
        self.ups = self.downs = 0
        self.on: Callable[[list[bytes]], None] = lambda message: None

    def on_listening(self, channel: bytes) -> None:
        self.listening.append(channel)

    def on_message(self, kind: bytes, message: list[bytes]) -> int:
        assert kind == message[0]
        self.messages.append(tuple(message[1:]))
        self.on(message)
        return 1

    def on_ended(self, channel: bytes) -> None:
        self.taken.append(channel)
        if self.anew:
            raise redis.ConnectionError("taken away")

    def on_up(self, subscription: Subscription) -> None:
        assert subscription.up
        self.ups += 1

    def on_down(self, subscription: Subscription) -> None:
        assert not subscription.up
        self.downs += 1


Listen = Callable[..., tuple[Subscription, Ear]]


@pytest.fixture
def listen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listen]:
    """Starts a subscription that listens to channels of the Redis at a port; pings often."""
    monkeypatch.setattr(subscription_module, "PING_INTERVAL", 0.1)
    monkeypatch.setattr(subscription_module, "PING_TIMEOUT", 0.2)
    subscriptions: list[tuple[Subscription, OneServer]] = []

    def begin(port: int, *channels: bytes) -> tuple[Subscription, Ear]:
        servers = OneServer(
            "here", {"host": "127.0.0.1", "port": port, "socket_timeout": 0.05},
        )  # fmt: skip
        ear = Ear()
        subscription = Subscription("test", lambda: servers.connection(""), ear)
        subscriptions.append((subscription, servers))
        for channel in channels:
            subscription.subscribe(channel)
        subscription.start()
        return subscription, ear

    yield begin
    for subscription, servers in subscriptions:
        subscription.stop(5)
        servers.close()


@pytest.fixture
def client(redis_server: RedisProcess) -> Iterator[redis.Redis]:
    client = redis_server.client()
    yield client
    client.close()


def pubsub_ids(client: redis.Redis) -> list[str]:
    return [str(each["id"]) for each in client.client_list(_type="pubsub")]


def pings(client: redis.Redis) -> int:
    """The pings that a Redis has answered."""
    return int(client.info("commandstats").get("cmdstat_ping", {"calls": 0})["calls"])


def heard(redis_server: RedisProcess, ear: Ear, channel: bytes = b"a") -> None:
    """See to it that a message goes through from now on."""
    with redis_server.client() as client:
        before = len(ear.messages)
        assert client.publish(channel.decode(), b"still there?") == 1
        until(lambda: len(ear.messages) > before)
    assert ear.messages[-1] == (channel, b"still there?")


def test_it_hears_channels_and_patterns_from_their_confirmation_on(
    redis_server: RedisProcess, client: redis.Redis, listen: Listen
) -> None:
    subscription, ear = listen(redis_server.port, b"a")
    until(lambda: ear.listening == [b"a"])
    assert subscription.up
    assert subscription.ready.is_set()
    client.publish("a", b"\xff\x00")
    subscription.subscribe(b"b*", "PSUBSCRIBE")
    until(lambda: ear.listening == [b"a", b"b*"])
    client.publish("bc", b"2")
    until(lambda: len(ear.messages) == 2)
    assert ear.messages == [(b"a", b"\xff\x00"), (b"b*", b"bc", b"2")]
    subscription.unsubscribe(b"a")
    subscription.unsubscribe(b"b*")
    until(lambda: client.pubsub_numsub("a") == [(b"a", 0)] and client.pubsub_numpat() == 0)
    assert ear.downs == 0


def test_a_link_without_channels_stays_up_and_takes_some_later(
    redis_server: RedisProcess, client: redis.Redis, listen: Listen
) -> None:
    subscription, ear = listen(redis_server.port)
    assert subscription.ready.wait(PATIENCE)
    with redis_server.client() as other:
        before = pings(other)
        until(lambda: pings(other) > before + 3)
    subscription.subscribe(b"a")
    until(lambda: ear.listening == [b"a"])
    heard(redis_server, ear)
    assert (ear.ups, ear.downs) == (1, 0)


def test_a_quick_subscribe_and_unsubscribe_is_confirmed_by_its_own_answer(
    redis_server: RedisProcess, client: redis.Redis, listen: Listen
) -> None:
    subscription, ear = listen(redis_server.port, b"other")
    until(lambda: ear.listening)
    # One turn of the loop, so that all answers are on their way when the first is read.
    subscription.subscribe(b"a")
    subscription.unsubscribe(b"a")
    subscription.subscribe(b"a")
    subscription.subscribe(b"end")
    until(lambda: b"end" in ear.listening)
    assert ear.listening == [b"other", b"a", b"end"]
    heard(redis_server, ear)
    subscription.unsubscribe(b"a")
    subscription.subscribe(b"a")
    subscription.unsubscribe(b"a")
    subscription.subscribe(b"end2")
    until(lambda: b"end2" in ear.listening)
    assert ear.listening == [b"other", b"a", b"end", b"end2"]
    assert client.pubsub_numsub("a") == [(b"a", 0)]
    assert ear.downs == 0


def test_it_subscribes_again_after_its_connection_was_killed(
    redis_server: RedisProcess, client: redis.Redis, listen: Listen
) -> None:
    subscription, ear = listen(redis_server.port, b"a")
    for times in range(1, 4):
        until(lambda times=times: len(ear.listening) == times)  # type: ignore[misc]
        (mine,) = pubsub_ids(client)
        client.client_kill_filter(_id=mine)
    until(lambda: len(ear.listening) == 4)
    heard(redis_server, ear)
    assert (ear.ups, ear.downs, subscription.losses) == (4, 3, 3)


def test_a_channel_that_redis_takes_away_has_it_begin_anew(
    redis_server: RedisProcess, client: redis.Redis, listen: Listen
) -> None:
    subscription, ear = listen(redis_server.port, b"a")
    until(lambda: ear.listening)
    subscription._send("UNSUBSCRIBE", b"a")  # as a Redis Cluster does when the slot moves
    until(lambda: len(ear.listening) == 2)
    heard(redis_server, ear)
    assert subscription.losses == 1


def test_a_channel_that_redis_takes_away_costs_the_others_nothing(
    redis_server: RedisProcess, listen: Listen
) -> None:
    subscription, ear = listen(redis_server.port, b"a", b"b")
    ear.anew = False
    until(lambda: len(ear.listening) == 2)
    subscription._send("UNSUBSCRIBE", b"b")
    until(lambda: ear.taken == [b"b"])
    heard(redis_server, ear)
    assert subscription.losses == 0


def test_it_comes_back_after_kill_9_and_a_restart_however_long_it_took(
    start_redis: StartRedis, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    redis_server = start_redis()
    subscription, ear = listen(redis_server.port, b"a")
    until(lambda: ear.listening)
    redis_server.kill()
    until(lambda: ear.downs)
    assert not subscription.ready.is_set()
    attempts: list[int] = []
    connect = subscription._connect

    def counted() -> Any:
        attempts.append(1)
        return connect()

    subscription._connect = counted
    until(lambda: len(attempts) >= 5)
    subscription.subscribe(b"b")  # while nobody is there
    redis_server.start()
    until(lambda: sorted(ear.listening) == [b"a", b"a", b"b"])
    heard(redis_server, ear, b"a")
    heard(redis_server, ear, b"b")
    assert (ear.ups, ear.downs, subscription.losses) == (2, 1, 1)
    assert sum("lost" in record.getMessage() for record in caplog.records) == 1  # no flood


def test_it_waits_for_a_redis_that_is_not_there_yet(
    start_redis: StartRedis, listen: Listen
) -> None:
    redis_server = start_redis()
    redis_server.kill()
    subscription, ear = listen(redis_server.port, b"a")
    gevent.sleep(0.02)
    assert not subscription.up
    redis_server.start()
    until(lambda: ear.listening)
    assert (ear.downs, subscription.losses) == (0, 0)


def test_a_frozen_redis_is_noticed_by_the_ping_that_it_does_not_answer(
    start_redis: StartRedis, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    redis_server = start_redis()
    subscription, ear = listen(redis_server.port, b"a")
    until(lambda: ear.listening)
    redis_server.freeze()
    try:
        until(lambda: not subscription.up)
    finally:
        redis_server.thaw()
    assert "no answer to a ping" in caplog.text
    until(lambda: len(ear.listening) == 2)
    heard(redis_server, ear)


def test_a_black_holed_network_is_noticed(redis_server: RedisProcess, listen: Listen) -> None:
    proxy = Proxy(redis_server.port)
    subscription, ear = listen(proxy.port, b"a")
    until(lambda: ear.listening)
    proxy.silent = True
    until(lambda: not subscription.up)
    proxy.silent = False
    until(lambda: len(ear.listening) == 2)
    heard_over = len(ear.messages)
    with redis_server.client() as client:
        client.publish("a", b"x")
    until(lambda: len(ear.messages) == heard_over + 1)
    subscription.stop(5)
    proxy.close()


def test_silence_with_answered_pings_is_no_loss(
    redis_server: RedisProcess, client: redis.Redis, listen: Listen
) -> None:
    _subscription, ear = listen(redis_server.port, b"a")
    until(lambda: ear.listening)
    before = pings(client)
    until(lambda: pings(client) > before + 5)
    assert (ear.ups, ear.downs) == (1, 0)


def test_it_comes_back_after_redis_cut_it_off_for_reading_too_slowly(
    start_redis: StartRedis, listen: Listen
) -> None:
    redis_server = start_redis(["--client-output-buffer-limit", "pubsub 64kb 64kb 0"])
    _subscription, ear = listen(redis_server.port, b"a")
    until(lambda: ear.listening)
    over = Event()

    def wait(message: list[bytes]) -> None:
        over.wait()

    ear.on = wait
    with redis_server.client() as client, gevent.Timeout(PATIENCE):
        while "for overcoming of output buffer" not in redis_server.log:
            client.publish("a", b"x" * 1_000_000)
    over.set()
    ear.on = lambda message: None
    until(lambda: ear.downs and len(ear.listening) == 1 + ear.downs)
    heard(redis_server, ear)


def test_a_listener_that_raises_does_not_end_the_reader(
    redis_server: RedisProcess,
    client: redis.Redis,
    listen: Listen,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _subscription, ear = listen(redis_server.port, b"a")
    until(lambda: ear.listening)

    def fail(message: list[bytes]) -> None:
        if message[2] == b"poison":
            raise ValueError("poisoned")

    ear.on = fail
    client.publish("a", b"poison")
    until(lambda: len(ear.listening) == 2)
    assert "poisoned" in caplog.text
    heard(redis_server, ear)


def test_a_listener_that_raises_when_it_goes_down_does_not_end_the_reader(
    redis_server: RedisProcess, client: redis.Redis, listen: Listen,
) -> None:  # fmt: skip
    subscription, ear = listen(redis_server.port, b"a")
    until(lambda: ear.listening)

    def fail(subscription: Subscription) -> None:
        ear.downs += 1
        raise ValueError("down")

    ear.on_down = fail  # type: ignore[method-assign]
    (mine,) = pubsub_ids(client)
    client.client_kill_filter(_id=mine)
    until(lambda: len(ear.listening) == 2)
    assert subscription.up
    heard(redis_server, ear)


def test_a_command_that_fails_never_brings_a_connection_that_listens_to_nothing(
    redis_server: RedisProcess, client: redis.Redis, listen: Listen
) -> None:
    subscription, ear = listen(redis_server.port, b"a")
    until(lambda: ear.listening)
    busy, release = Event(), Event()

    def hold(message: list[bytes]) -> None:
        if message[2] == b"hold":
            busy.set()
            release.wait(PATIENCE)

    ear.on = hold
    client.publish("a", b"hold")
    assert busy.wait(PATIENCE)
    # The reader looks elsewhere while two commands are sent over a connection that broke.
    subscription._connection._sock.shutdown(socket.SHUT_RDWR)
    subscription.subscribe(b"b")
    subscription.subscribe(b"c")
    release.set()
    until(lambda: set(ear.listening[1:]) == {b"a", b"b", b"c"})
    heard(redis_server, ear, b"a")
    assert subscription.losses == 1


def test_many_channels_are_all_listened_to_again(
    redis_server: RedisProcess, client: redis.Redis, listen: Listen
) -> None:
    channels = [b"channel-%d" % number for number in range(2000)]
    _subscription, ear = listen(redis_server.port, *channels)
    until(lambda: len(ear.listening) == 2000)
    (mine,) = pubsub_ids(client)
    client.client_kill_filter(_id=mine)
    until(lambda: len(ear.listening) == 4000)
    assert sorted(ear.listening[2000:]) == sorted(channels)
    heard(redis_server, ear, b"channel-1999")


def test_a_flood_of_messages_arrives_whole_and_others_have_their_turn(
    redis_server: RedisProcess, client: redis.Redis, listen: Listen
) -> None:
    _subscription, ear = listen(redis_server.port, b"a")
    until(lambda: ear.listening)
    pipeline = client.pipeline(transaction=False)
    for number in range(5000):
        pipeline.publish("a", number)
    pipeline.execute()
    until(lambda: len(ear.messages) >= 5000)
    assert [int(data) for _, data in ear.messages] == list(range(5000))


def links_alive() -> list[Any]:
    return [
        each for each in gc.get_objects()
        if isinstance(each, gevent.Greenlet) and "Loop._run" in repr(each) and not each.dead
    ]  # fmt: skip


@pytest.mark.parametrize("state", ["listening", "away", "frozen"])
def test_stop_ends_it_and_leaves_neither_greenlet_nor_socket(
    state: str, start_redis: StartRedis, listen: Listen
) -> None:
    redis_server = start_redis()
    subscription, ear = listen(redis_server.port, b"a")
    until(lambda: ear.listening)
    connection = subscription._connection
    if state == "away":
        redis_server.kill()
        until(lambda: not subscription.up)
    elif state == "frozen":
        redis_server.freeze()
    greenlet = subscription.loop._greenlet
    assert greenlet in links_alive()
    try:
        subscription.stop(PATIENCE)
    finally:
        if state == "frozen":
            redis_server.thaw()
    assert greenlet not in links_alive()
    assert greenlet is not None
    assert greenlet.successful()
    assert connection._sock is None
    assert subscription._connection is None
    assert not subscription.up
    assert (ear.downs, subscription.losses) == (1, 1 if state == "away" else 0)
    if state != "away":
        with redis_server.client() as client:
            until(lambda: not pubsub_ids(client))
