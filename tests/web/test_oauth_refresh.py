"""/fws/token with grant_type=refresh_token (RFC 6749 §6), and rotation (RFC 9700 §4.14.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gevent
import pytest

from fws_gevent.errors import TokenInvalid
from tests.conftest import Connect

from .conftest import MakeSite
from .sites import Answer, Site, login


def renew(site: Site, refresh_token: str, **more: str) -> Answer:
    fields = {"grant_type": "refresh_token", "refresh_token": refresh_token, **more}
    return site.post("/fws/token", fields)


def is_valid(site: Site, answer: Mapping[str, Any]) -> bool:
    return site.fws.tokens.peek(answer["access_token"]) is not None


def test_a_refresh_token_gets_a_new_pair_for_the_same_grant(site: Site) -> None:
    first = site.tokens("ada", "publish status")
    answer = renew(site, first["refresh_token"])
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    content = answer.json
    names = {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert set(content) == names
    assert content["token_type"] == "Bearer"
    assert content["expires_in"] == 3600
    assert content["scope"] == "publish status"
    assert content["refresh_token"] != first["refresh_token"]
    claims = site.fws.tokens.verify(content["access_token"])
    assert (claims.subject, claims.groups) == ("ada", ("room:*",))
    assert is_valid(site, first)


def test_each_works_once_and_its_successor_continues(site: Site) -> None:
    token = site.tokens()["refresh_token"]
    for _ in range(3):
        answer = renew(site, token)
        assert answer.status == 200
        token = answer.json["refresh_token"]


def test_a_second_use_revokes_its_family(site: Site, connect: Connect) -> None:
    first = site.tokens("ada")
    second = renew(site, first["refresh_token"]).json
    third = renew(site, second["refresh_token"]).json
    other = site.tokens("ada")
    clients = [site.dial(connect, each["access_token"]) for each in (first, second, third)]
    bystander = site.dial(connect, other["access_token"])

    assert renew(site, first["refresh_token"]).refusal == (400, "invalid_grant")

    for client in clients:
        assert client.frame().close == (4401, "the token was revoked")
    for each in (first, second, third):
        assert not is_valid(site, each)
        assert renew(site, each["refresh_token"]).refusal == (400, "invalid_grant")
    assert is_valid(site, other)
    assert renew(site, other["refresh_token"]).status == 200
    site.server.broadcast("still there")
    assert bystander.receive() == "still there"


def test_a_retry_gets_the_same_successor(site: Site) -> None:
    token = site.tokens("ada", "publish status")["refresh_token"]
    first = renew(site, token).json
    for scope in ("status", "publish status"):
        again = renew(site, token, scope=scope)
        assert again.status == 200
        assert again.json["refresh_token"] == first["refresh_token"]
        assert again.json["scope"] == scope
    assert is_valid(site, first)
    site.clock.set(31)
    last = renew(site, first["refresh_token"]).json
    assert renew(site, token).refusal == (400, "invalid_grant")
    assert not is_valid(site, last)


def test_of_racing_uses_exactly_one_wins(make_site: MakeSite) -> None:
    site = make_site(refresh_grace=0.0)
    token = site.tokens()["refresh_token"]
    racing = [gevent.spawn(renew, site, token) for _ in range(8)]
    gevent.joinall(racing, timeout=20)
    answers = [each.get() for each in racing]
    assert sorted(each.status for each in answers) == [200] + [400] * 7
    winner = next(each for each in answers if each.status == 200).json
    assert not is_valid(site, winner)
    assert renew(site, winner["refresh_token"]).refusal == (400, "invalid_grant")


@pytest.mark.parametrize("token", ["rubbish", "a.b.c", "\N{SNOWMAN}", "x" * 5000])
def test_an_unknown_one_is_an_invalid_grant(token: str, site: Site) -> None:
    assert renew(site, token).refusal == (400, "invalid_grant")


def test_an_access_token_is_not_accepted(site: Site) -> None:
    assert renew(site, site.tokens()["access_token"]).refusal == (400, "invalid_grant")


def test_an_expired_one_is_an_invalid_grant(site: Site) -> None:
    token = site.tokens()["refresh_token"]
    site.clock.set(14 * 86400 + 1)
    assert renew(site, token).refusal == (400, "invalid_grant")


@pytest.mark.parametrize("fields", [{}, {"refresh_token": ""}])
def test_without_one_the_request_is_invalid(fields: dict[str, str], site: Site) -> None:
    answer = site.post("/fws/token", {"grant_type": "refresh_token", **fields})
    assert answer.refusal == (400, "invalid_request")


def test_a_smaller_scope_applies_to_one_renewal_only(site: Site) -> None:
    first = site.tokens("ada", "publish status")
    second = renew(site, first["refresh_token"], scope="status").json
    assert second["scope"] == "status"
    assert site.fws.tokens.verify(second["access_token"]).scope == {"status"}
    assert renew(site, second["refresh_token"]).json["scope"] == "publish status"


def test_a_larger_scope_is_refused_and_keeps_the_token(site: Site) -> None:
    token = site.tokens("ada", "status")["refresh_token"]
    assert renew(site, token, scope="status revoke").refusal == (400, "invalid_scope")
    assert renew(site, token, scope="status").status == 200


def test_a_second_use_revokes_with_any_scope(make_site: MakeSite) -> None:
    site = make_site(refresh_grace=0.0)
    first = site.tokens("ada", "status")
    assert renew(site, first["refresh_token"]).status == 200
    answer = renew(site, first["refresh_token"], scope="revoke")
    assert answer.refusal == (400, "invalid_grant")
    assert not is_valid(site, first)


def test_a_page_of_another_site_needs_the_token_itself(site: Site) -> None:
    # It is not sent along by browsers, so the Origin says nothing.
    token = site.tokens()["refresh_token"]
    fields = {"grant_type": "refresh_token", "refresh_token": token}
    assert site.post("/fws/token", fields, Origin="https://app.example").status == 200


def test_the_tokens_of_a_revoked_subject_are_invalid(site: Site) -> None:
    first = site.tokens("ada")
    site.fws.revoke(subject="ada")
    assert renew(site, first["refresh_token"]).refusal == (400, "invalid_grant")
    with pytest.raises(TokenInvalid):
        site.fws.tokens.verify(first["access_token"])


def test_several_processes_refuse_it_without_using_it_up(site: Site) -> None:
    token = site.tokens()["refresh_token"]
    site.fws.tokens.several_processes = True
    assert renew(site, token).refusal == (503, "temporarily_unavailable")
    site.fws.tokens.several_processes = False
    assert renew(site, token).status == 200


def test_client_authentication_beside_it_is_ignored(site: Site) -> None:
    fields = {"grant_type": "refresh_token", "refresh_token": site.tokens("ada")["refresh_token"]}
    answer = site.post("/fws/token", fields, Authorization=login())
    assert site.fws.tokens.verify(answer.json["access_token"]).subject == "ada"


def test_its_life_is_the_settings(make_site: MakeSite) -> None:
    site = make_site(refresh_ttl=100.0)
    token = renew(site, site.tokens()["refresh_token"]).json["refresh_token"]
    site.clock.set(101)
    assert renew(site, token).refusal == (400, "invalid_grant")
