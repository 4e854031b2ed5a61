"""The channels of the consumer chain: each PUBLISH counts once, and matches as in Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fws_gevent.cluster.channels import Channels, glob
from fws_gevent.redis_io.servers import OneServer
from tests.redis_processes import RedisProcess
from tests.waiting import until

PATTERNS = [
    "news.*", "*", "n?ws", "news.[ab]", "[^n]ews", "[a-c]x", "[c-a]x", "[a-]x", "[]x", "[^]x",
    "[^]", "[", "[^", "x[", "[abc", "[a", "[^a", "x[^", "[\\]a]", "[\\]", "[\\", "[a\\", "\\",
    "x\\", "\\*", "\\[a]", "a\\?b", "**", "a*b*c", "*b?", "[[]", "[[a]", "[a&&b]", "[a--b]",
    "[a||b]", "[a~~b]", "[-a]", "[a-b-c]", "[^a-c]*", "h[ae]llo", "h[^e]llo", "caf?", "caf??",
    "[é]", "é", "\\é", "new\nline*", ".", "a.b", "a+b?", "(a)*", "$*", "^*", "{a}*", "?", "??",
    "[!a]", "[a]*]", "[a]]", "a]*", "[ ]", "[*]", "[?]x", "*[", "*\\", "[\\a-c]", "[a-\\]]",
]  # fmt: skip
CHANNELS = [
    "news.a", "news.b", "news.", "news", "nEws", "a", "b", "c", "ax", "bx", "cx", "x", "^x", "]x",
    "-x", "[", "]", "^", "x[", "[abc", "\\", "x\\", "*", "\\*", "[a]", "a?b", "azb", "abc", "axbxc",
    "hello", "hallo", "café", "cafe", "é", "new\nline", "new\nlines", ".", "a.b", "a+b", "(a)", "$",
    "{a}", "!", "a]", "a]]", " ", "?x", "&", "|", "~", "-", "\n", "_x", "`x", "xz",
]  # fmt: skip


@pytest.fixture
def client(redis_server: RedisProcess) -> Iterator[redis.Redis]:
    client = redis_server.client()
    yield client
    client.close()


def as_redis_matches(client: redis.Redis, patterns: list[str], channels: list[str]) -> set[Any]:
    """Which patterns a message over which channel is sent for, after Redis."""
    listener = client.pubsub()  # type: ignore[no-untyped-call]
    listener.psubscribe(*(pattern.encode() for pattern in patterns))
    for _ in patterns:
        answer = listener.parse_response()
        assert answer[0] == b"psubscribe"
    pipeline = client.pipeline(transaction=False)
    for channel in channels:
        pipeline.publish(channel, b"x")
    found = set()
    for _ in range(sum(pipeline.execute())):
        _, pattern, channel, _ = listener.parse_response()
        found.add((pattern.decode(), channel.decode()))
    listener.close()
    return found


def as_we_match(patterns: list[str], channels: list[str]) -> set[Any]:
    return {
        (pattern, channel) for pattern in patterns for channel in channels
        if glob(pattern).fullmatch(channel.encode())
    }  # fmt: skip


def test_a_pattern_matches_as_in_redis(client: redis.Redis) -> None:
    assert as_we_match(PATTERNS, CHANNELS) == as_redis_matches(client, PATTERNS, CHANNELS)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    patterns=st.lists(st.text("ab-^[]\\*?", min_size=1, max_size=6), min_size=1, max_size=20,
                      unique=True),
    channels=st.lists(st.text("ab-^[]\\*?", min_size=1, max_size=4), min_size=1, max_size=20,
                      unique=True),
)  # fmt: skip
def test_any_pattern_matches_as_in_redis(
    client: redis.Redis, patterns: list[str], channels: list[str]
) -> None:
    assert as_we_match(patterns, channels) == as_redis_matches(client, patterns, channels)


Subscribe = Callable[..., tuple[Channels, list[dict[str, Any]]]]


@pytest.fixture
def subscribe(redis_server: RedisProcess, client: redis.Redis) -> Iterator[Subscribe]:
    """Subscribes to channels, and returns what comes; room for `room` events."""
    open_ones: list[tuple[Channels, OneServer]] = []

    def begin(*names: str, room: int = 1000) -> tuple[Channels, list[dict[str, Any]]]:
        servers = OneServer("here", {"host": "127.0.0.1", "port": redis_server.port})
        events: list[dict[str, Any]] = []

        def put(event: dict[str, Any]) -> bool:
            if len(events) >= room:
                return False
            events.append(event)
            return True

        channels = Channels(servers, names, put)
        open_ones.append((channels, servers))
        channels.subscription.start()
        until(lambda: channels.subscription.up and not channels.subscription._unconfirmed)
        return channels, events

    yield begin
    for channels, servers in open_ones:
        channels.subscription.stop(5)
        servers.close()


def test_a_message_comes_as_the_chain_has_it(client: redis.Redis, subscribe: Subscribe) -> None:
    _, events = subscribe("global", "news.*")
    client.publish("global", "hello")
    client.publish("news.art", "grüße".encode())
    until(lambda: len(events) == 2)
    assert events == [
        {"type": "message", "pattern": None, "channel": "global", "data": "hello"},
        {"type": "pmessage", "pattern": "news.*", "channel": "news.art", "data": "grüße"},
    ]


def test_each_publish_comes_once_however_many_subscriptions_fit(
    client: redis.Redis, subscribe: Subscribe
) -> None:
    _, events = subscribe("news", "n*", "ne?s", "*s", "[m-o]ews", "[z-a]*", "other")
    channels = ["news", "n", "ness", "cats", "mews", "other", "anything"]
    sent = [client.publish(channel, f"{channel}!") for channel in channels]
    assert sent == [6, 2, 4, 2, 3, 2, 1], "Redis sends it for each subscription"
    client.publish("other", "end")
    until(lambda: events and events[-1]["data"] == "end")
    assert [event["channel"] for event in events] == [*channels, "other"]
    assert [event["pattern"] for event in events[:2]] == [None, "n*"]


def test_binary_data_and_names_come_as_they_are(client: redis.Redis, subscribe: Subscribe) -> None:
    _, events = subscribe("*", "global")
    client.publish("global", b"\xff\x00\r\n")
    client.publish("global", b"")
    client.publish("ÿ\n", b"x")
    client.execute_command("PUBLISH", b"\xfe\n", b"y")  # type: ignore[no-untyped-call]
    until(lambda: len(events) == 4)
    assert [event["data"] for event in events] == [b"\xff\x00\r\n", "", "x", "y"]
    assert [event["channel"] for event in events[2:]] == ["ÿ\n", b"\xfe\n"]


def test_dropped_messages_are_counted_and_logged_less_and_less_often(
    client: redis.Redis, subscribe: Subscribe, caplog: pytest.LogCaptureFixture
) -> None:
    channels, events = subscribe("global", room=2)
    pipeline = client.pipeline(transaction=False)
    for number in range(102):
        pipeline.publish("global", number)
    pipeline.execute()
    until(lambda: channels.dropped == 100)
    assert [event["data"] for event in events] == ["0", "1"]
    said = [record for record in caplog.records if "too slow" in record.getMessage()]
    assert len(said) == 7  # 1, 2, 4, … 64
    events.clear()
    client.publish("global", "later")
    until(lambda: events)
    assert channels.dropped == 100


def test_after_a_loss_it_listens_again_and_says_that_some_may_be_gone(
    client: redis.Redis, subscribe: Subscribe, caplog: pytest.LogCaptureFixture
) -> None:
    channels, events = subscribe("global", "n*")
    (mine,) = [each["id"] for each in client.client_list(_type="pubsub")]
    client.client_kill_filter(_id=str(mine))
    until(
        lambda: (
            channels.subscription.losses
            and channels.subscription.up
            and not channels.subscription._unconfirmed
        )
    )
    client.publish("global", "1")
    client.publish("news", "2")
    until(lambda: len(events) == 2)
    assert "are lost" in caplog.text


def test_other_kinds_of_messages_are_nobodys(redis_server: RedisProcess) -> None:
    servers = OneServer("here", {"host": "127.0.0.1", "port": redis_server.port})
    events: list[Any] = []

    def put(event: dict[str, Any]) -> bool:
        events.append(event)
        return True

    channels = Channels(servers, ["a"], put)
    assert channels.on_message(b"smessage", [b"smessage", b"a", b"x"]) == 1
    assert events == []
