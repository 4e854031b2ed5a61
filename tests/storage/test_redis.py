"""The storage object in Redis: plain sets, the same for all nodes and for other applications."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
import redis

from fws_gevent.errors import ConfigurationError, PublishFailed, StorageAway
from fws_gevent.filters.base import FilterBase, WebSocketMessageFilter
from fws_gevent.redis_io.servers import MAX_CONNECTIONS
from fws_gevent.storage.base import BaseStorageObject
from fws_gevent.storage.redis import RedisStorageObject
from tests.conftest import Connect, Serve, StartRedis
from tests.redis_processes import RedisProcess
from tests.waiting import free_port, until

Make = Callable[..., RedisStorageObject]

BOUND = 5.0
"""Seconds, in which everything here has to have failed that is to fail: it takes one or two."""


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes a storage object, which is closed at the end: make(port=6379, key="fws")."""
    made: list[RedisStorageObject] = []

    def start(url: str | None = None, **options: Any) -> RedisStorageObject:
        storage = (
            RedisStorageObject(**options)
            if url is None
            else RedisStorageObject.from_url(url, **options)
        )
        made.append(storage)
        return storage

    yield start
    for storage in made:
        storage.close()


@pytest.fixture
def plain(redis_server: RedisProcess) -> Iterator[Any]:
    """Another application's client."""
    client = redis_server.client()
    yield client
    client.close()


@pytest.fixture
def storage(redis_server: RedisProcess, make: Make) -> RedisStorageObject:
    return make(port=redis_server.port)


# Sets.


def test_values_are_a_plain_set_under_the_prefix(storage: RedisStorageObject, plain: Any) -> None:
    storage.add("users", "ada")
    storage.add("users", "grüße 🎉")
    storage.add("users", "ada")
    assert plain.keys() == [b"fws:users"]
    assert plain.type("fws:users") == b"set"
    assert plain.ttl("fws:users") == -1
    assert plain.smembers("fws:users") == {b"ada", "grüße 🎉".encode()}
    storage.remove("users", "ada")
    assert plain.smembers("fws:users") == {"grüße 🎉".encode()}


def test_values_of_other_programs_are_found(storage: RedisStorageObject, plain: Any) -> None:
    plain.sadd("fws:users", "ada", "bob")
    plain.sadd("users", "nobody")
    assert storage.get("users") == {"ada", "bob"}
    assert storage["users"] == {"ada", "bob"}
    plain.srem("fws:users", "ada")
    assert storage["users"] == {"bob"}


def test_a_missing_key_is_none_or_an_empty_set_and_may_be_removed(
    storage: RedisStorageObject, plain: Any
) -> None:
    storage.remove("key", "value")
    assert storage.get("key") is None
    assert storage["key"] == set()
    storage.add("key", "value")
    storage.remove("key", "other")
    assert storage["key"] == {"value"}
    storage.remove("key", "value")
    assert storage.get("key") is None
    assert plain.keys() == []


def test_a_prefix_of_its_own_keeps_servers_apart(
    redis_server: RedisProcess, make: Make, plain: Any
) -> None:
    one, other = (make(port=redis_server.port, key=key) for key in ("one", "other"))
    one.add("key", "value")
    assert other.get("key") is None
    assert plain.smembers("one:key") == {b"value"}


def test_texts_bytes_and_numbers_are_equal_as_in_redis(
    storage: RedisStorageObject, plain: Any
) -> None:
    values: list[Any] = ["text", b"bytes", bytearray(b"more"), 7, 1.5, b"\xff\x00"]
    for value in values:
        storage.add(b"raw \xff", value)
    assert plain.smembers(b"fws:raw \xff") == {
        b"text",
        b"bytes",
        b"more",
        b"7",
        b"1.5",
        b"\xff\x00",
    }
    assert storage[b"raw \xff"] == {"text", "bytes", "more", "7", "1.5", b"\xff\x00"}
    storage.add(12, "twelve")
    assert storage["12"] == storage[b"12"] == {"twelve"}
    storage.remove("12", b"twelve")
    assert storage.get(12) is None


@pytest.mark.parametrize("wrong", [None, True, ["list"], {"a": 1}, object()])
def test_a_value_of_another_type_is_a_type_error(
    wrong: Any, storage: RedisStorageObject, plain: Any
) -> None:
    for ask in (
        lambda: storage.add("key", wrong),
        lambda: storage.add(wrong, "value"),
        lambda: storage.remove("key", wrong),
        lambda: storage.get(wrong),
        lambda: storage[wrong],
    ):
        with pytest.raises(TypeError, match="not "):
            ask()
    assert plain.keys() == []


@pytest.mark.parametrize("key", ["{*}:nodes", b"{*}:nodes", "{"])
def test_the_servers_own_keys_are_out_of_reach(
    key: str | bytes, storage: RedisStorageObject, plain: Any
) -> None:
    plain.sadd("fws:{*}:nodes", "a node")
    asks: list[Callable[[], Any]] = [
        lambda: storage.add(key, "value"),
        lambda: storage.remove(key, "a node"),
        lambda: storage.get(key),
    ]
    for ask in asks:
        with pytest.raises(ValueError, match="brace"):
            ask()
    assert plain.smembers("fws:{*}:nodes") == {b"a node"}
    storage.add("a{b}", "value")
    assert plain.smembers("fws:a{b}") == {b"value"}


def test_two_that_add_and_remove_at_once_lose_nothing(
    redis_server: RedisProcess, make: Make, plain: Any
) -> None:
    nodes = [make(port=redis_server.port) for _ in range(2)]
    for number in range(0, 90, 3):
        nodes[0].add("key", number)

    def change(node: RedisStorageObject, number: int) -> None:
        if number % 3:
            node.add("key", number)
        else:
            node.remove("key", number)

    changes = [gevent.spawn(change, nodes[number % 2], number) for number in range(90)]
    gevent.joinall(changes, timeout=BOUND, raise_error=True)
    left = {str(number) for number in range(90) if number % 3}
    assert nodes[0]["key"] == nodes[1]["key"] == left
    assert plain.scard("fws:key") == 60


# Where it is, and how it is called.


def test_a_url_names_server_database_and_prefix(redis_server: RedisProcess, make: Make) -> None:
    storage = make(f"redis://localhost:{redis_server.port}/3", key="app")
    storage.add("key", "value")
    other = redis_server.client(db=3)
    assert other.smembers("app:key") == {b"value"}
    other.close()


def test_a_password_is_shown_nowhere(start_redis: StartRedis, make: Make) -> None:
    process = start_redis()
    admin = process.client()
    admin.config_set("requirepass", "open sesame")
    admin.close()
    storage = make(f"redis://:open%20sesame@127.0.0.1:{process.port}/0")
    storage.add("key", "value")
    assert storage["key"] == {"value"}
    wrong = make(f"redis://:wrong%20sesame@127.0.0.1:{process.port}/0")
    with pytest.raises(StorageAway) as refused:
        wrong.get("key")
    for text in (*map(str, (storage, wrong)), *map(repr, (storage, wrong)), str(refused.value)):
        assert "sesame" not in text
    assert f"127.0.0.1:{process.port}" in str(storage)


def test_the_error_for_a_wrong_url_does_not_repeat_it() -> None:
    for url in ("http://:sesame@host/", "redis://:sesame@host:port/0", "redis://:sesame@host/zero"):
        with pytest.raises(ConfigurationError) as refused:
            RedisStorageObject.from_url(url)
        assert "sesame" not in str(refused.value)


def test_to_make_one_asks_nothing_of_redis() -> None:
    storage = RedisStorageObject(port=free_port())
    assert isinstance(storage, BaseStorageObject)
    assert storage.shared is True
    assert storage.healthy
    storage.close()


# Redis is away.


def test_while_redis_is_away_each_call_says_so_and_goes_on_after(
    start_redis: StartRedis, make: Make
) -> None:
    process = start_redis(persistent=True)
    storage = make(port=process.port)
    storage.add("key", "value")
    process.kill()
    for ask in calls(storage):
        with gevent.Timeout(BOUND), pytest.raises(StorageAway) as away:
            ask()
        assert not isinstance(away.value, redis.RedisError)
        assert away.value.__cause__ is None
    with gevent.Timeout(BOUND), pytest.raises(PublishFailed):
        storage.publish("global", "lost")
    process.start()
    assert storage["key"] == {"value"}
    storage.add("key", "other")
    storage.publish("global", "heard by nobody")
    assert storage["key"] == {"value", "other"}


def test_a_frozen_redis_is_away_too_however_many_ask(start_redis: StartRedis, make: Make) -> None:
    process = start_redis()
    storage = make(port=process.port)
    storage.add("key", "value")
    process.freeze()
    asking = [gevent.spawn(storage.get, "key") for _ in range(MAX_CONNECTIONS + 10)]
    gevent.joinall(asking, timeout=BOUND)
    kinds = {type(each.exception) for each in asking}
    process.thaw()
    assert kinds == {StorageAway}
    # No late answer to what was given up on is taken for that to the next question.
    assert storage.get("other") is None
    assert storage["key"] == {"value"}


def calls(storage: RedisStorageObject) -> tuple[Callable[[], Any], ...]:
    return (
        lambda: storage.get("key"),
        lambda: storage["key"],
        lambda: storage.add("key", "lost"),
        lambda: storage.remove("key", "value"),
    )


# In filters.


def variant(link: type[FilterBase], **attributes: Any) -> type[FilterBase]:
    """The same filter with other attributes."""
    meta: Any = type(link)
    made: type[FilterBase] = meta("Variant", (link,), attributes)
    return made


class Remember(WebSocketMessageFilter):
    """Adds each message to the set `said`, and answers with the set."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        storage = web_socket_instance.storage_object
        storage.add("said", data)
        web_socket_instance.send(" ".join(sorted(storage["said"])))


def test_filters_of_two_nodes_share_it(
    redis_server: RedisProcess, make: Make, plain: Any, serve: Serve, connect: Connect
) -> None:
    clients = [
        connect(serve([Remember], extra={"storage_object": make(port=redis_server.port)}))
        for _ in range(2)
    ]
    answers = []
    for client, word in zip(clients, ("one", "two"), strict=True):
        client.send(word)
        answers.append(client.receive())
    assert answers == ["one", "one two"]
    assert plain.smembers("fws:said") == {b"one", b"two"}


def test_an_offloaded_filter_uses_it_from_its_thread(
    storage: RedisStorageObject, plain: Any, serve: Serve, connect: Connect
) -> None:
    threads = set()

    class Offloaded(Remember):
        offload = True

        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            threads.add(threading.get_native_id())
            super().filter(web_socket_instance, data)

    server = serve([Offloaded], extra={"storage_object": storage})
    clients = [connect(server) for _ in range(5)]
    for number, client in enumerate(clients):
        client.send(str(number))
    for client in clients:
        client.receive()
    assert plain.smembers("fws:said") == {b"0", b"1", b"2", b"3", b"4"}
    assert threading.get_native_id() not in threads
    assert storage["said"] == {"0", "1", "2", "3", "4"}


class Shout(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.broadcast(data, include_self=True)


@pytest.mark.parametrize(("link", "notice"), [(Remember, StorageAway.notice),
                                              (Shout, PublishFailed.notice)])  # fmt: skip
@pytest.mark.parametrize("offload", [False, True])
def test_a_filter_that_does_not_catch_it_keeps_the_sender(
    link: type[WebSocketMessageFilter], notice: str, offload: bool,
    start_redis: StartRedis, make: Make, serve: Serve, connect: Connect,
) -> None:  # fmt: skip
    chosen = variant(link, offload=offload)
    process = start_redis()
    storage = make(port=process.port)
    server = serve([chosen], extra={"storage_object": storage}, publish_timeout=2.0)
    sender, other = connect(server), connect(server)
    process.kill()
    sender.send("hello")
    assert sender.receive() == notice
    until(lambda: not server.node.healthy)
    process.start()
    until(lambda: server.node.healthy)
    sender.send("again")
    assert sender.receive() == "again"
    if link is Shout:
        assert other.receive() == "again"  # the failed message was not sent


@pytest.mark.parametrize("link", [Remember, Shout])
def test_the_filters_after_one_that_says_skip_run(
    link: type[WebSocketMessageFilter],
    make: Make, serve: Serve, connect: Connect, start_redis: StartRedis,
) -> None:  # fmt: skip
    class Echo(WebSocketMessageFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            web_socket_instance.send(data)

    chosen = variant(link, on_error="skip")
    process = start_redis()
    server = serve(
        [chosen, Echo], extra={"storage_object": make(port=process.port)}, publish_timeout=2.0
    )
    client = connect(server)
    process.kill()
    client.send("hello")
    assert client.receive() == "hello"


def test_without_a_host_redis_is_on_this_machine() -> None:
    assert str(RedisStorageObject(host=None, port=7)) == "Redis at 127.0.0.1:7, keys fws:…"
