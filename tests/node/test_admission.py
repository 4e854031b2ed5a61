"""Admission of upgrade requests: the limits, and the order of the checks."""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event

from fws_gevent.errors import CloseCode, ConnectsTooOften, NoRoom, ShuttingDown
from fws_gevent.node.admission import policy_of
from fws_gevent.node.node import Node
from fws_gevent.protocol.forwarded import Client
from fws_gevent.protocol.handshake import Request, parse_headers
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.settings import Settings
from fws_gevent.tokens import Claims
from tests.clients import upgrade
from tests.conftest import Connect, Serve
from tests.raw_http import Answer, exchange
from tests.tokens.issuing import SECRET, service
from tests.waiting import until

from .guarded import bearer, enter, greeted, guarded


def forwarded(address: str) -> list[str]:
    return [f"X-Forwarded-For: {address}"]


def refused(server: FilteredWebSocketServer, *headers: str) -> Answer:
    """Return the answer to an upgrade request that is refused."""
    (answer,) = exchange(server, upgrade(80, headers=headers))
    return answer


def test_a_full_server_answers_503_with_retry_after(serve: Serve, connect: Connect) -> None:
    server = serve(max_connections=1)
    client = greeted(connect(server))
    answer = refused(server)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    client.close()
    until(lambda: not server.live)
    greeted(connect(server))


def test_the_address_that_a_trusted_proxy_names_counts(serve: Serve, connect: Connect) -> None:
    server = serve(max_connections_per_address=1, trusted_proxies=("127.0.0.1",))
    greeted(connect(server, headers=forwarded("192.0.2.1")))
    assert refused(server, *forwarded("evil, 192.0.2.1")).status == 503
    greeted(connect(server, headers=forwarded("192.0.2.2")))


@pytest.mark.parametrize(
    ("first", "same", "other"),
    [
        ("192.0.2.1:50001", "192.0.2.1:50002", "192.0.2.2:50001"),
        ("192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.2"),
        ("[2001:db8::1]:50001", "2001:db8::2", "2001:db8:0:1::1"),
    ],
)
def test_an_address_counts_as_one_however_it_is_written(
    first: str, same: str, other: str, serve: Serve, connect: Connect
) -> None:
    server = serve(max_connections_per_address=1, trusted_proxies=("127.0.0.1",))
    client = greeted(connect(server, headers=forwarded(first)))
    assert refused(server, *forwarded(same)).status == 503
    greeted(connect(server, headers=forwarded(other))).close()
    client.close()
    until(lambda: not server.live)
    assert not server.node.admission.limits._by_address
    greeted(connect(server, headers=forwarded(same)))


@pytest.mark.usefixtures("no_time_passes")
def test_a_host_comes_as_often_as_it_may_from_all_addresses_of_its_network_together(
    serve: Serve, connect: Connect
) -> None:
    server = serve(connect_rate=2, trusted_proxies=("127.0.0.1",))
    for each in ("2001:db8::1", "2001:db8::2"):
        greeted(connect(server, headers=forwarded(each)))
    assert refused(server, *forwarded("2001:db8::3")).status == 429
    greeted(connect(server, headers=forwarded("2001:db8:0:1::1")))


@pytest.mark.usefixtures("no_time_passes")
@pytest.mark.parametrize("entry", ["unknown", "_hidden", "evil.example:80"])
def test_clients_that_a_proxy_does_not_name_are_not_one_address(
    entry: str, serve: Serve, connect: Connect
) -> None:
    server = serve(
        max_connections=3, max_connections_per_address=1, connect_rate=1,
        trusted_proxies=("127.0.0.1",),
    )  # fmt: skip
    for _ in range(3):
        greeted(connect(server, headers=forwarded(entry)))
    assert {each.remote_address[0] for each in server.users.values()} == {"127.0.0.1"}
    assert refused(server, *forwarded(entry)).status == 503


def test_an_address_that_anybody_may_name_counts_for_nothing(
    serve: Serve, connect: Connect
) -> None:
    server = serve(max_connections_per_address=1)
    greeted(connect(server, headers=forwarded("192.0.2.1")))
    assert refused(server, *forwarded("192.0.2.2")).status == 503


@pytest.mark.usefixtures("no_time_passes")
def test_a_subject_that_comes_too_often_is_sent_away_wherever_it_comes_from(
    serve: Serve, connect: Connect
) -> None:
    server = guarded(serve, connect_rate=2, trusted_proxies=("127.0.0.1",))
    ada, bob = (bearer(service().issue(name)) for name in ("ada", "bob"))
    for address in ("192.0.2.1", "192.0.2.2"):
        greeted(connect(server, headers=[*ada, *forwarded(address)]))
    answer = refused(server, *ada, *forwarded("192.0.2.3"))
    assert answer.status == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    greeted(connect(server, headers=[*bob, *forwarded("192.0.2.3")]))


@pytest.mark.usefixtures("no_time_passes")
@pytest.mark.parametrize("auth", ["required", "optional"])
def test_it_is_the_same_with_a_token_that_comes_as_a_message(
    auth: str, serve: Serve, connect: Connect
) -> None:
    server = guarded(serve, auth=auth, connect_rate=2, trusted_proxies=("127.0.0.1",))
    token = service().issue("ada")
    clients = [connect(server, headers=forwarded(f"192.0.2.{each}")) for each in range(3)]
    for client in clients:
        client.send(f"token:{token}")
    assert [client.receive() for client in clients[:2]] == ["token:accepted"] * 2
    code, reason = clients[2].frame().close
    assert (code, "too many" in reason) == (1008, True)
    clients[0].send(f"token:{token}")  # to renew it is no connection more
    assert clients[0].receive() == "token:accepted"


def test_limits_are_checked_again_after_a_slow_check_of_the_token(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = guarded(serve, max_connections=1)
    verify, go_on, asked = server.tokens.verify, Event(), []

    def slowly(token: str) -> Claims:
        asked.append(token)
        go_on.wait()
        return verify(token)

    token = service().issue("ada")
    monkeypatch.setattr(server.tokens, "verify", slowly)
    first = gevent.spawn(enter, server, connect, token)
    second = gevent.spawn(refused, server, *bearer(token))
    until(lambda: len(asked) == 2)
    go_on.set()
    first.get()
    assert second.get().status == 503
    assert server.live == 1


def upgrade_request(token: str) -> Request:
    """Return the head of an upgrade request with a token."""
    head = upgrade(80, headers=bearer(token)).decode().split("\r\n")[1:-2]
    return Request("GET", "/", "HTTP/1.1", parse_headers(head))


def test_a_shutdown_that_begins_during_the_check_of_the_token_refuses_the_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = Node(Settings(auth="required", signing_key=SECRET))
    verify = node.tokens.verify

    def during_the_check(token: str) -> Claims:
        node.shutdown.begin(CloseCode.GOING_AWAY, 1.0)
        return verify(token)

    request, client = upgrade_request(service().issue("ada")), Client("192.0.2.1")
    assert node.admission.admit(request, client).claims is not None
    monkeypatch.setattr(node.tokens, "verify", during_the_check)
    with pytest.raises(ShuttingDown):
        node.admission.admit(request, client)


def test_a_worker_is_asked_for_room_before_and_after_the_check_of_the_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = Node(Settings(auth="required", signing_key=SECRET))
    verify, steps = node.tokens.verify, []

    def noted(token: str) -> Claims:
        steps.append("token")
        return verify(token)

    def no_room_after() -> None:
        steps.append("worker")
        if "token" in steps:
            raise NoRoom

    monkeypatch.setattr(node.tokens, "verify", noted)
    with pytest.raises(NoRoom):
        node.admission.admit(
            upgrade_request(service().issue("ada")), Client("192.0.2.1"), no_room_after
        )
    assert steps == ["worker", "token", "worker"]


def test_a_request_that_is_refused_does_not_count_as_an_attempt_of_its_subject() -> None:
    node = Node(Settings(auth="required", signing_key=SECRET, connect_rate=1))
    request = upgrade_request(service().issue("ada"))
    node.shutdown.begin(CloseCode.GOING_AWAY, 1.0)
    with pytest.raises(ShuttingDown):
        node.admission.admit(request, Client("192.0.2.1"))
    node.shutdown.reset()
    assert node.admission.admit(request, Client("192.0.2.1")).claims is not None
    with pytest.raises(ConnectsTooOften):
        node.admission.admit(request, Client("192.0.2.2"))


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ((), ("fws",)),
        (("chat",), ("chat", "fws")),
        (("fws", "chat"), ("fws", "chat")),
        (("chat", "fws", "chat"), ("chat", "fws")),
    ],
)
def test_fws_is_a_known_subprotocol_after_the_servers_own(
    given: tuple[str, ...], known: tuple[str, ...]
) -> None:
    assert policy_of(Settings(subprotocols=given)).subprotocols == known


def test_the_policy_follows_the_settings() -> None:
    settings = Settings(allowed_origins=("https://a.example",), deflate="off")
    policy = policy_of(settings)
    assert (policy.allowed_origins, policy.deflate) == (("https://a.example",), False)
    assert policy_of(Settings()).deflate
