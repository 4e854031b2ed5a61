"""Our gunicorn worker refuses a wrong token with 401, before the upgrade."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..clients import Command, frame, upgrade
from ..conftest import Connect, Start
from ..flask_sites import get
from ..gunicorns import WORKER
from ..node.guarded import bearer, greeted, offer
from ..raw_http import exchange
from ..test_application_auth import arguments, environ, listening, who
from ..tokens.issuing import OTHER_SECRET, SECRET, issued_elsewhere, payload, service


@pytest.fixture(scope="module", params=["flask_site", "plain_site"])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Return the port of a gunicorn for all of these tests."""
    home = tmp_path_factory.mktemp("gunicorn")
    given = environ(home, FWS_SIGNING_KEY=SECRET)
    command = Command(*arguments(home, request.param, worker=WORKER), environ=given)
    try:
        yield listening(command)
    finally:
        command.end()


def test_a_token_opens_a_connection_from_wherever_it_comes(port: int, connect: Connect) -> None:
    token = service().issue("ada")
    assert who(connect(port, "/ws", headers=bearer(token))) == "ada"
    offered = connect(port, "/ws", headers=offer(token))
    assert offered.header("Sec-WebSocket-Protocol") == "fws"
    assert token not in offered.answer
    assert (who(offered), who(offered, "protocol?")) == ("ada", "fws")
    ticket = get(port, "/ticket").body
    assert who(connect(port, f"/ws?ticket={ticket}")) == "ada"
    early = connect(port, "/ws", early=frame(1, f"token:{token}".encode()) + frame(1, b"who?"))
    assert [early.receive(), early.receive()] == ["token:accepted", "ada"]


@pytest.mark.parametrize("early", [b"", frame(1, b"hello")])
def test_a_token_that_is_not_valid_is_refused_before_the_upgrade(
    early: bytes, port: int, connect: Connect
) -> None:
    ticket = get(port, "/ticket").body
    greeted(connect(port, f"/ws?ticket={ticket}"))
    for path, headers, why in (
        ("/ws", bearer("x"), b"malformed"),
        ("/ws", offer("x.y.z"), b"malformed"),
        ("/ws", bearer(issued_elsewhere(payload(exp=1))), b"expired"),
        ("/ws", offer(issued_elsewhere(payload(), OTHER_SECRET)), b"signature"),
        (f"/ws?ticket={ticket}", [], b"ticket"),
    ):
        (answer,) = exchange(port, upgrade(port, path, headers) + early)
        assert answer.status == 401
        challenge = answer.headers["www-authenticate"]
        assert challenge.startswith('Bearer realm="fws", error="invalid_token"')
        assert why in answer.body


def test_a_connection_without_a_token_gets_the_reason_at_its_first_message(
    port: int, connect: Connect
) -> None:
    client = greeted(connect(port, "/ws"))
    client.send("hello")
    assert client.frame().close[0] == 4401


def test_a_request_refused_for_another_reason_uses_up_no_ticket(
    port: int, connect: Connect
) -> None:
    ticket = get(port, "/ticket").body
    for path, headers, status in (
        ("/ws", ["Origin: https://other.example"], 403),
        ("/ws", ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="], 400),
        ("/ws", bearer("x"), 400),
    ):
        (answer,) = exchange(port, upgrade(port, f"{path}?ticket={ticket}", headers))
        assert answer.status == status
    old = upgrade(port, f"/ws?ticket={ticket}").replace(b"Version: 13", b"Version: 8")
    assert [answer.status for answer in exchange(port, old)] == [426]
    assert who(connect(port, f"/ws?ticket={ticket}")) == "ada"


@pytest.mark.parametrize("site", ["flask_site", "plain_site"])
def test_without_a_signing_key_gunicorn_ends_with_one_line(
    site: str, start: Start, tmp_path: Path
) -> None:
    command = start(*arguments(tmp_path, site, worker=WORKER), environ=environ(tmp_path))
    assert command.wait() == 4
    told = [line for line in command.output.splitlines() if line.startswith("fws_gevent: ")]
    assert len(told) == 1, command.output
    assert "FWS_SIGNING_KEY" in told[0]
    assert "Traceback" not in command.output
