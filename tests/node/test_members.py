"""Connections and groups of a node, and messages to all of them."""

from __future__ import annotations

import zlib
from typing import Any

import gevent
import pytest

from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.node import members as members_module
from fws_gevent.node.members import Users
from fws_gevent.node.node import Node
from fws_gevent.protocol.payload import frame_for
from fws_gevent.settings import Settings
from tests.clients import Client
from tests.conftest import Connect, Serve
from tests.native_threads import in_thread
from tests.waiting import until


class Script(WebSocketMessageFilter):
    """`join NAME` or `leave NAME`; everything else goes to all."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        order, _, name = data.text.partition(" ")
        if order in ("join", "leave"):
            getattr(web_socket_instance, order)(name)
            web_socket_instance.send("done")
        else:
            web_socket_instance.broadcast(data)


def tell(client: Client, order: str) -> None:
    client.send(order)
    assert client.receive() == "done"


def users(*ids: str) -> Users:
    found = Users()
    for each in ids:
        found[each] = object()  # type: ignore[assignment]
    return found


def test_a_loop_over_users_sees_those_at_its_beginning() -> None:
    for method in ("__iter__", "keys", "values", "items"):
        some = users("a", "b", "c")
        seen = []
        for each in getattr(some, method)():
            some.clear()
            some["new"] = object()  # type: ignore[assignment]
            seen.append(each)
        assert len(seen) == 3
        assert list(some) == ["new"]


def test_users_are_a_dict() -> None:
    some = users("a", "b")
    assert len(some) == 2
    assert "a" in some
    assert some.keys() == ("a", "b")
    assert some.items() == tuple(zip(some.keys(), some.values(), strict=True))
    assert dict(some.items()) == some


def test_a_group_is_there_as_long_as_it_has_members(serve: Serve, connect: Connect) -> None:
    server = serve([Script])
    one, two = connect(server), connect(server)
    for client in (one, two, two):
        tell(client, "join room")
    assert len(server.groups["room"]) == 2
    tell(one, "leave room")
    tell(one, "leave room")
    tell(one, "leave nowhere")
    assert len(server.groups["room"]) == 1
    tell(two, "leave room")
    assert not server.groups


def test_a_closed_connection_is_in_no_group(serve: Serve, connect: Connect) -> None:
    server = serve([Script])
    client = connect(server)
    for name in ("a", "b"):
        tell(client, f"join {name}")
    client.drop()
    until(lambda: not server.users)
    assert not server.groups


def test_a_broadcast_goes_to_all_or_to_a_group_except_one(serve: Serve, connect: Connect) -> None:
    server = serve([Script])
    one, two, three = (connect(server) for _ in range(3))
    for client in (one, two):
        tell(client, "join room")
    tell(three, "leave room")
    first = next(iter(server.groups["room"].values()))
    server.broadcast("all")
    server.broadcast(b"room", group="room")
    server.broadcast("nobody", group="nowhere")
    server.broadcast("all but one", exclude=first)
    gevent.sleep(0)
    assert [one.receive(), one.receive()] == ["all", b"room"]
    assert [two.receive(), two.receive(), two.receive()] == ["all", b"room", "all but one"]
    assert [three.receive(), three.receive()] == ["all", "all but one"]
    three.send("last")
    assert one.receive() == "last"  # nothing was there before it


@pytest.mark.parametrize("data", [None, 1, ["x"], object()])
def test_wrong_data_is_a_type_error_and_is_not_sent(
    data: Any, serve: Serve, connect: Connect
) -> None:
    server = serve([Script])
    client = connect(server)
    tell(client, "join room")
    with pytest.raises(TypeError):
        server.broadcast(data)
    server.broadcast("next")
    assert client.receive() == "next"


def test_a_broadcast_is_encoded_once_for_each_kind_of_connection(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def counted(opcode: int, payload: bytes, window_bits: int) -> bytes:
        made.append(window_bits)
        return frame_for(opcode, payload, window_bits)

    server = serve([Script])
    offers = ["", "", "permessage-deflate", "permessage-deflate",
              "permessage-deflate; server_max_window_bits=9"]  # fmt: skip
    clients = [
        connect(server, headers=[f"Sec-WebSocket-Extensions: {each}"] if each else [])
        for each in offers
    ]
    until(lambda: len(server.users) == 5)
    monkeypatch.setattr(members_module, "frame_for", counted)
    server.broadcast("hello " * 50)
    for client, offer in zip(clients, offers, strict=True):
        got = client.frame()
        if offer:
            assert got.first == 0xC1
            inflate = zlib.decompressobj(-15)
            assert inflate.decompress(got.payload + b"\x00\x00\xff\xff") == b"hello " * 50
        else:
            assert got == (0x81, b"hello " * 50)
    assert len(made) == len(set(made)) == 3
    assert made[0] == 0


def test_from_another_thread_a_broadcast_is_handed_over(serve: Serve, connect: Connect) -> None:
    class Shout(WebSocketMessageFilter):
        offload = True

        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            message = bytearray(data)
            server.broadcast(message)
            message[:] = b"changed later"

    server = serve([Shout])
    one, two = connect(server), connect(server)
    until(lambda: len(server.users) == 2)
    one.send("hello")
    assert (one.receive(), two.receive()) == (b"hello", b"hello")


def test_a_membership_without_connections_sends_nothing() -> None:
    empty = Node(Settings()).membership
    empty.broadcast("x")
    empty.broadcast("x", group="room")
    empty.leave("room", object())  # type: ignore[arg-type]
    assert not empty.groups


def test_only_the_thread_of_a_running_loop_touches_connections() -> None:
    membership = Node(Settings()).membership
    membership.users["c1"] = object()  # type: ignore[assignment]  # without what `spread` needs
    membership.broadcast("x")
    in_thread(membership.broadcast, "x")
