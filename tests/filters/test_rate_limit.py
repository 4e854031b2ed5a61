"""The bundled filter that closes connections which exceed the rates."""

from __future__ import annotations

from typing import Any

import pytest

from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.filters.rate_limit import RateLimitFilter

from ..clients import Client, frame
from ..conftest import Connect, Serve
from ..node.guarded import bearer, greeted
from ..tokens.issuing import SECRET, service
from ..waiting import until

TOO_MANY = (1008, "more messages than the rate allows")

FEW: dict[str, Any] = {"message_rate": 0.001, "rate_burst": 3000.0}
"""Three messages at once are allowed, and hardly a fourth."""


class Echo(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.send(data)


def echoes(client: Client, count: int, message: str | bytes = "x") -> bool:
    """Return whether so many messages, sent at once, come back."""
    one = frame(1, message.encode()) if isinstance(message, str) else frame(2, message)
    client.raw(one * count)
    return all(client.receive() == message for _ in range(count))


def test_too_many_messages_close_the_connection_and_the_rest_is_ignored(
    serve: Serve, connect: Connect
) -> None:
    server = serve([RateLimitFilter, Echo], **FEW)
    client, other = connect(server), connect(server)
    assert echoes(client, 3)
    client.raw(frame(1, b"more") * 5)
    assert client.frame().close == TOO_MANY
    client.close(1008)
    assert client.at_end()
    until(lambda: server.live == 1)
    assert echoes(other, 3)
    assert server.node.events.chains["message"].stops == {RateLimitFilter: 1}
    assert server.node.counters.closes == {1008: 1}


def test_bytes_count_for_text_as_they_are_on_the_wire(serve: Serve, connect: Connect) -> None:
    server = serve([RateLimitFilter, Echo], message_rate=0, byte_rate=0.01, rate_burst=1000.0)
    binary, text = connect(server), connect(server)
    assert echoes(binary, 2, b"12345")
    assert echoes(text, 2, "grü.")
    for client in (binary, text):
        client.send(b"1")
        assert client.frame().close == TOO_MANY


def test_pings_are_not_counted(serve: Serve, connect: Connect) -> None:
    client = connect(serve([RateLimitFilter, Echo], **FEW))
    for _ in range(5):
        greeted(client)
    assert echoes(client, 3)


def test_the_connections_of_an_address_share_a_rate(serve: Serve, connect: Connect) -> None:
    server = serve([RateLimitFilter, Echo], **FEW, shared_rate=2.0, trusted_proxies=("127.0.0.1",))

    def at(address: str) -> Client:
        return connect(server, headers=[f"X-Forwarded-For: {address}"])

    crowd = [at("192.0.2.1") for _ in range(3)]
    assert all(echoes(each, 2) for each in crowd)
    crowd[0].send("more")
    assert crowd[0].frame().close == TOO_MANY
    assert echoes(at("192.0.2.2"), 3)


def test_the_connections_of_a_subject_share_a_rate(serve: Serve, connect: Connect) -> None:
    server = serve(
        [RateLimitFilter, Echo], **FEW, shared_rate=2.0, trusted_proxies=("127.0.0.1",),
        auth="required", signing_key=SECRET,
    )  # fmt: skip

    def of(subject: str, number: int) -> Client:
        headers = [*bearer(service().issue(subject)), f"X-Forwarded-For: 192.0.2.{number}"]
        return connect(server, headers=headers)

    crowd = [of("ada", each) for each in range(3)]
    assert all(echoes(each, 2) for each in crowd)
    crowd[2].send("more")
    assert crowd[2].frame().close == TOO_MANY
    assert echoes(of("bob", 4), 3)


def test_filters_before_it_are_not_protected(serve: Serve, connect: Connect) -> None:
    client = connect(serve([Echo, RateLimitFilter], **FEW))
    assert echoes(client, 4)
    assert client.frame().close == TOO_MANY


def test_without_the_filter_nothing_is_counted(serve: Serve, connect: Connect) -> None:
    assert echoes(connect(serve([Echo], **FEW)), 50)


@pytest.mark.parametrize("message", ["", b""])
def test_an_empty_message_counts(message: str | bytes, serve: Serve, connect: Connect) -> None:
    client = connect(serve([RateLimitFilter, Echo], **FEW))
    assert echoes(client, 3, message)
    client.send(message)
    assert client.frame().close == TOO_MANY
