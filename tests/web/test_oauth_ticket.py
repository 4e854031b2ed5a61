"""/fws/ticket: a ticket in a URL opens one WebSocket."""

from __future__ import annotations

import pytest

from fws_gevent import TokenGrant
from tests.clients import upgrade
from tests.conftest import Connect
from tests.raw_http import exchange

from .conftest import MakeSite
from .sites import Answer, Site, bearer


def ticket_of(answer: Answer) -> str:
    assert answer.status == 200, answer
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json) == {"ticket", "expires_in"}
    return str(answer.json["ticket"])


def refusal(site: Site, ticket: str) -> tuple[int, str]:
    """Return status and challenge of an upgrade request with this ticket."""
    answer = exchange(site.server, upgrade(site.port, f"/ws?ticket={ticket}"))[0]
    return answer.status, answer.headers["www-authenticate"]


USED = 'Bearer realm="fws", error="invalid_token", error_description="the ticket is unknown, ' \
       'used or expired"'  # fmt: skip


def test_a_tokens_ticket_opens_one_websocket(site: Site, connect: Connect) -> None:
    answer = site.post("/fws/ticket", Authorization=bearer(site.token("ada", "room:*")))
    assert answer.json["expires_in"] == 30
    ticket = ticket_of(answer)
    client = connect(site.port, f"/ws?ticket={ticket}")
    site.fws.send_to("ada", "hello")
    assert client.receive() == "hello"
    assert refusal(site, ticket) == (401, USED)


def test_it_stands_for_the_token(site: Site, connect: Connect) -> None:
    token = site.token("ada", "room:*")
    connect(site.port, f"/ws?ticket={ticket_of(ticket(site, token))}")
    (connection,) = site.server.users.values()
    assert connection.token == site.fws.tokens.verify(token)


def ticket(site: Site, token: str) -> Answer:
    return site.post("/fws/ticket", Authorization=bearer(token))


def test_a_logged_in_user_gets_one(site: Site, connect: Connect) -> None:
    grant = TokenGrant(subject="ada", groups=["room:*"], scope="status", ttl=90)
    site.fws.token_for_request(lambda: grant)
    answer = site.post("/fws/ticket", Origin=site.origin)
    connect(site.port, f"/ws?ticket={ticket_of(answer)}")
    (connection,) = site.server.users.values()
    claims = connection.token
    assert (claims.subject, claims.groups, claims.scope) == ("ada", ("room:*",), {"status"})
    assert claims["exp"] - claims["iat"] in (90, 91)  # in whole seconds


def test_without_a_log_in_there_is_none(site: Site) -> None:
    answer = site.post("/fws/ticket")
    assert answer.refusal == (401, "invalid_token")
    assert answer.headers["www-authenticate"] == 'Bearer realm="fws"'
    site.fws.token_for_request(lambda: None)
    assert site.post("/fws/ticket").refusal == (401, "invalid_token")


def test_an_invalid_token_is_refused_despite_a_log_in(site: Site) -> None:
    site.fws.token_for_request(lambda: "ada")
    assert ticket(site, "rubbish").refusal == (401, "invalid_token")


def test_a_page_of_another_site_may_use_a_token(site: Site) -> None:
    site.fws.token_for_request(lambda: "ada")
    origin = "https://app.example"
    assert site.post("/fws/ticket", Origin=origin).refusal == (403, "access_denied")
    own = site.post("/fws/ticket", Origin=origin, Authorization=bearer(site.token()))
    assert own.status == 200


def test_it_expires(site: Site) -> None:
    late = ticket_of(ticket(site, site.token(ttl=3600)))
    site.clock.set(31)
    assert refusal(site, late) == (401, USED)


def test_its_life_is_the_settings_and_at_most_the_tokens(make_site: MakeSite) -> None:
    site = make_site(ticket_ttl=200.0)
    assert ticket(site, site.token(ttl=3600)).json["expires_in"] == 200
    assert 0 < ticket(site, site.token(ttl=60)).json["expires_in"] <= 60


def test_the_ticket_of_a_revoked_token_is_invalid(site: Site) -> None:
    token = site.token("ada")
    made = ticket_of(ticket(site, token))
    site.fws.revoke(token=token)
    status, challenge = refusal(site, made)
    assert status == 401
    assert "the token was revoked" in challenge


def test_a_subject_revoked_in_this_second_gets_an_error(site: Site) -> None:
    site.fws.token_for_request(lambda: "ada")
    site.clock.set(100)  # as if the token's second were over after the revocation's
    site.fws.revoke(subject="ada")
    site.clock.set(0)
    assert site.post("/fws/ticket").refusal == (401, "invalid_token")


def test_a_malformed_ticket_is_refused(site: Site) -> None:
    assert refusal(site, "rubbish") == (401, USED)


def test_two_tickets_or_one_beside_a_token_are_refused(site: Site) -> None:
    token = site.token("ada")
    first, second = (ticket_of(ticket(site, token)) for _ in range(2))
    both = upgrade(site.port, f"/ws?ticket={first}&ticket={second}")
    beside = upgrade(site.port, f"/ws?ticket={first}", [f"Authorization: {bearer(token)}"])
    assert [exchange(site.server, each)[0].status for each in (both, beside)] == [400, 400]


def test_a_ticket_is_not_accepted_as_a_token(site: Site) -> None:
    made = ticket_of(ticket(site, site.token("ada")))
    assert ticket(site, made).refusal == (401, "invalid_token")


def test_several_processes_refuse_it(site: Site) -> None:
    site.fws.tokens.several_processes = True
    assert ticket(site, site.token()).refusal == (503, "temporarily_unavailable")
    site.fws.token_for_request(lambda: "ada")
    assert site.post("/fws/ticket").refusal == (503, "temporarily_unavailable")


@pytest.mark.parametrize("name", ["ticket", "token", "anything"])
def test_a_repeated_parameter_is_an_error(name: str, site: Site) -> None:
    fields = [(name, "a"), (name, "b")]
    answer = site.post("/fws/ticket", fields, Authorization=bearer(site.token()))
    assert answer.refusal == (400, "invalid_request")
