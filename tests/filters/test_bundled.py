"""The bundled filters, in real servers with real clients."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fws_gevent.filters import broadcast_messages
from fws_gevent.filters.broadcast_message_filter import BroadcastMessageFilter
from fws_gevent.filters.broadcast_messages_by_token import TokenMessageFilter
from fws_gevent.filters.broadcast_pubsub import BroadcastPubSubFilter
from fws_gevent.filters.stdout_messages import StdoutMessageFilter
from fws_gevent.filters.stdout_pubsub import StdoutPubSubFilter
from fws_gevent.filters.stdout_rawdata import StdoutRawDataFilter

from ..clients import Client, frame
from ..conftest import Connect, Serve
from ..waiting import until

Printed = Callable[[str], None]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """Return a function that waits for a text on standard output."""

    def wait(text: str) -> None:
        so_far = ""

        def all_there() -> bool:
            nonlocal so_far
            so_far += capsys.readouterr().out
            return len(so_far) >= len(text)

        until(all_there)
        assert so_far == text

    return wait


def register(client: Client, name: str) -> None:
    client.send(f"token:{name}")
    assert client.receive() == f"Successfully registered with broadcast group: {name}"


# Broadcast to all others.


@pytest.mark.parametrize("message", ["hello", "grüße 🎉", "", b"\x00\xff", b""])
def test_a_message_goes_to_all_others_as_it_came(
    message: str | bytes, serve: Serve, connect: Connect
) -> None:
    server = serve([BroadcastMessageFilter])
    sender, *others = (connect(server) for _ in range(3))
    sender.send(message)
    assert [each.receive() for each in others] == [message, message]
    others[0].send("the next")
    assert sender.receive() == "the next"  # its own message did not come back


def test_the_ancestors_module_name_has_the_same_filter() -> None:
    assert broadcast_messages.BroadcastMessagesFilter is BroadcastMessageFilter
    assert "BroadcastMessagesFilter" in broadcast_messages.__all__


# Groups by token.


def test_a_message_goes_to_the_others_of_its_group_alone(serve: Serve, connect: Connect) -> None:
    server = serve([TokenMessageFilter])
    one, two, away, none = (connect(server) for _ in range(4))
    for client, name in ((one, "a"), (two, "a"), (away, "b")):
        register(client, name)
    one.send("to a")
    one.send(b"\xff")
    assert [two.receive(), two.receive()] == ["to a", b"\xff"]
    two.send("back")
    assert one.receive() == "back"
    server.broadcast("to everybody")
    assert [each.receive() for each in (one, two, away, none)] == ["to everybody"] * 4


def test_without_a_token_the_sender_gets_an_error(serve: Serve, connect: Connect) -> None:
    server = serve([TokenMessageFilter])
    none, other = connect(server), connect(server)
    register(other, "a")
    none.send("hello")
    assert none.receive() == "Error: No token has been set"
    server.broadcast("the end")
    assert other.receive() == "the end"


def test_a_new_token_takes_the_place_of_the_old_one(serve: Serve, connect: Connect) -> None:
    server = serve([TokenMessageFilter])
    moving, left, joined = (connect(server) for _ in range(3))
    for client, name in ((moving, "a"), (left, "a"), (joined, "b"), (moving, "b")):
        register(client, name)
    left.send("nobody hears this")
    joined.send("welcome")
    assert moving.receive() == "welcome"
    moving.send("hello b")
    assert joined.receive() == "hello b"
    assert {name: len(members) for name, members in server.groups.items()} == {"a": 1, "b": 2}


def test_a_group_ends_with_its_last_connection(serve: Serve, connect: Connect) -> None:
    server = serve([TokenMessageFilter])
    one, two = connect(server), connect(server)
    register(one, "a")
    register(two, "a")
    one.drop()
    until(lambda: server.live == 1)
    assert len(server.groups["a"]) == 1
    two.close()
    until(lambda: server.live == 0)
    assert server.groups == {}


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("token:a", "a"),
        ("token:a\r\n", "a"),
        ("token:a:b", "a:b"),
        ("token:grün", "grün"),
        (b"token:a", "a"),
        (b"token:\xff", "\\xff"),
        ("token:", None),
        ("token:a b", None),
        ("my token:a", None),
        ("Token:a", None),
    ],
)
def test_just_a_whole_message_of_that_form_is_a_token(
    message: str | bytes, name: str | None, serve: Serve, connect: Connect
) -> None:
    client = connect(serve([TokenMessageFilter]))
    client.send(message)
    if name is None:
        assert client.receive() == "Error: No token has been set"
    else:
        assert client.receive() == f"Successfully registered with broadcast group: {name}"


# Consumer events.


@pytest.mark.parametrize(
    ("data", "received"),
    [
        ("hello", "hello"),
        (b"hello", "hello"),
        ("grüße".encode(), "grüße"),
        (b"\xff\x00", b"\xff\x00"),
        ("", ""),
    ],
)
def test_consumer_events_go_to_all_connections(
    data: str | bytes, received: str | bytes, serve: Serve, connect: Connect
) -> None:
    server = serve([BroadcastPubSubFilter])
    clients = [connect(server) for _ in range(2)]
    server.queue.put({"type": "message", "channel": "global", "data": data})
    assert [each.receive() for each in clients] == [received, received]


@pytest.mark.parametrize("data", [{"type": "subscribe", "data": 1}, {"data": None}, {}])
def test_events_without_data_are_ignored(
    data: dict[str, object], serve: Serve, connect: Connect
) -> None:
    server = serve([BroadcastPubSubFilter])
    client = connect(server)
    server.queue.put(data)
    server.queue.put({"data": "the next"})
    assert client.receive() == "the next"
    assert not any(server.node.events.chains["consumer"].failures.values())


# Printed events.


def test_messages_are_printed_with_their_connection(
    printed: Printed, serve: Serve, connect: Connect
) -> None:
    server = serve([StdoutMessageFilter])
    client = connect(server)
    until(lambda: server.users)
    (name,) = server.users
    client.send("grüße")
    printed(f"--MESSAGE--\n{name} => grüße\n")
    client.send(b"\x00\xff")
    printed(f"--MESSAGE--\n{name} => b'\\x00\\xff'\n")


def test_raw_data_is_printed_as_it_is_on_the_wire(
    printed: Printed, serve: Serve, connect: Connect
) -> None:
    client = connect(serve([StdoutRawDataFilter, BroadcastMessageFilter]))
    client.send("hello")
    printed(f"--RAWDATA--\n{frame(1, b'hello')!r}\n")
    client.raw(frame(9)[:3])
    printed(f"--RAWDATA--\n{frame(9)[:3]!r}\n")


def test_consumer_events_are_printed(printed: Printed, serve: Serve) -> None:
    server = serve([StdoutPubSubFilter])
    server.queue.put({"type": "message", "data": "hello"})
    printed("--PUBSUB--\n{'type': 'message', 'data': 'hello'}\n")
