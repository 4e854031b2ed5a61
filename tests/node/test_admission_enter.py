"""The second phase of admission: revocations, shutdowns and limits find a waiting connection."""

from __future__ import annotations

import socket
from typing import Any

import gevent
import pytest
from gevent.event import Event

from fws_gevent.broker.memory import MemoryBroker
from fws_gevent.connection.upgrade_context import PeerInfo, UpgradeContext
from fws_gevent.errors import CloseCode, StorageAway
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.tokens import Claims
from tests.clients import PATIENCE, Client
from tests.conftest import Connect, Serve
from tests.waiting import until

from .guarded import Ears, Script, bearer, guard_of, guarded, is_empty


class SlowBroker(MemoryBroker):
    """A broker that answers a join only when `answers` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.joining: list[str] = []
        self.left_groups: list[str] = []
        self.answers = Event()

    def join(
        self, group: str, member: str, subject: str | None, *, first: bool, wait: bool = True
    ) -> None:
        self.joining.append(group)
        self.answers.wait(PATIENCE)

    def leave(self, group: str, member: str, *, last: bool) -> None:
        self.left_groups.append(group)


class Entering:
    """A server with a client that has a token and waits for the broker."""

    def __init__(self, serve: Serve, connect: Connect, *, first_message: bool) -> None:
        self.ears = Ears()
        self.server: FilteredWebSocketServer = guarded(serve, *self.ears.filters())
        self.broker = SlowBroker()
        self.server.node.membership.broker = self.broker
        token = self.server.tokens.issue("ada")
        if first_message:
            self.client: Client = connect(self.server)
            self.client.send(f"token:{token}")
        else:
            self.client = connect(self.server, headers=bearer(token))
        until(lambda: self.broker.joining)

    def settle(self) -> None:
        """Let the broker answer; check that nothing is left and no event was emitted."""
        self.broker.answers.set()
        until(lambda: not self.server.live)
        assert is_empty(self.server)
        assert self.ears.heard == []
        assert self.broker.left_groups == self.broker.joining == ["subject:ada"]


@pytest.fixture(params=[False, True], ids=["in the request", "in the first message"])
def entering(request: pytest.FixtureRequest, serve: Serve, connect: Connect) -> Entering:
    return Entering(serve, connect, first_message=request.param)


def test_a_revocation_ends_it(entering: Entering) -> None:
    entering.server.tokens.revoke_subject("ada")
    assert entering.client.frame().close == (4401, "the token was revoked")
    entering.client.close(4401)
    entering.settle()


def test_one_that_hangs_up_leaves_nothing_behind(entering: Entering) -> None:
    entering.client.drop()
    entering.broker.answers.set()
    until(lambda: not entering.server.live)
    assert is_empty(entering.server)
    assert [name for name, _ in entering.ears.heard] == ["connect", "disconnect"]


def test_one_that_is_lost_has_no_events(entering: Entering) -> None:
    server = entering.server
    (connection,) = server.users.values()
    connection.give_up(CloseCode.ABNORMAL, "lost")
    assert not server.users
    entering.settle()
    assert server.node.counters.closes == {1006: 1}


def test_a_drain_closes_it(entering: Entering) -> None:
    gevent.spawn(entering.server.node.drain, PATIENCE)
    assert entering.client.frame().close[0] == 1001
    entering.client.close(1001)
    entering.settle()


def test_a_disconnect_by_id_finds_it(entering: Entering) -> None:
    (name,) = entering.server.users
    assert entering.server.disconnect(id=name) == 1
    assert entering.client.frame().close[0] == 1000
    entering.client.close(1000)
    entering.settle()


def test_it_begins_when_the_broker_has_answered(entering: Entering) -> None:
    entering.client.send("hello")
    assert entering.ears.heard == []
    entering.broker.answers.set()
    until(lambda: len(entering.ears.heard) == 2)
    assert [name for name, _ in entering.ears.heard] == ["connect", "message"]


def test_a_token_that_is_revoked_while_the_upgrade_is_answered_does_not_count(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    ears = Ears()
    server = guarded(serve, *ears.filters())
    checked = guard_of(server).claims_of

    def revoked_right_after(*arguments: Any) -> Claims | None:
        claims = checked(*arguments)
        server.tokens.revoke_subject("ada")
        return claims

    monkeypatch.setattr(guard_of(server), "claims_of", revoked_right_after)
    client = connect(server, headers=bearer(server.tokens.issue("ada")))
    assert client.frame().close == (4401, "the token was revoked")
    client.close(4401)
    until(lambda: not server.live)
    assert ears.heard == []


def test_one_that_is_lost_while_its_token_is_checked_leaves_nothing_behind(
    serve: Serve,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ears = Ears()
    server = guarded(serve, *ears.filters())
    checked = server.tokens.verify
    reached, goes_on = Event(), Event()

    def slow(token: str) -> Claims:
        reached.set()
        goes_on.wait(PATIENCE)
        return checked(token)

    monkeypatch.setattr(server.tokens, "verify", slow)
    client = connect(server)
    client.send(f"token:{server.tokens.issue('ada')}")
    assert reached.wait(PATIENCE)
    (connection,) = server.node.pending
    connection.give_up(CloseCode.ABNORMAL, "lost")
    goes_on.set()
    until(lambda: not server.live)
    assert is_empty(server)
    assert ears.heard == []
    assert not [record for record in caplog.records if record.exc_info]


def test_while_the_store_of_revocations_is_away_it_is_closed_with_1013(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = guarded(serve)

    def away(claims: Claims) -> None:
        raise StorageAway

    token = server.tokens.issue("ada")
    claims = server.tokens.verify(token)
    monkeypatch.setattr(server.tokens, "check_not_revoked", away)
    monkeypatch.setattr(guard_of(server), "claims_of", lambda *_: claims)
    client = connect(server, headers=bearer(token))
    assert client.frame().close == (1013, "tokens can't be checked now")


def test_renewing_a_token_neither_leaves_nor_joins_its_subjects_group(
    serve: Serve, connect: Connect
) -> None:
    server = guarded(serve)
    client = connect(server, headers=bearer(server.tokens.issue("ada")))
    until(lambda: "subject:ada" in server.groups)
    broker = SlowBroker()
    server.node.membership.broker = broker
    client.send(f"token:{server.tokens.issue('ada', ['room'])}")
    assert client.receive() == "token:accepted"
    assert broker.joining == broker.left_groups == []


@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_address"])
def test_connections_that_come_at_once_are_within_the_limit(serve: Serve, limit: str) -> None:
    server = serve([Script], **{limit: 1})
    ends = []
    for port in (1, 2):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.settimeout(PATIENCE)
        ends.append(theirs)
        server.node.admission.enter(
            ours, PeerInfo("/", ("192.0.2.1", port), address_key="192.0.2.1"), UpgradeContext({})
        )
    first, second = ends
    reason = b"as many are connected as may be"
    assert second.recv(100) == bytes((0x88, len(reason) + 2)) + b"\x03\xf5" + reason
    second.close()
    first.close()
    until(lambda: not server.live)
