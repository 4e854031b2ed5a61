"""/fws/introspect (RFC 7662)."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest

from .conftest import MakeSite
from .sites import KEY, Answer, Site, bearer, login

INACTIVE = {"active": False}


def introspect(site: Site, authorization: str, **fields: str) -> Answer:
    return site.post("/fws/introspect", fields, Authorization=authorization)


def seen_by(site: Site, authorization: str, token: str) -> dict[str, Any]:
    answer = introspect(site, authorization, token=token)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    content: dict[str, Any] = answer.json
    return content


@pytest.mark.parametrize("scope", ["", "introspect"])
def test_an_active_token_is_shown_with_all_claims(scope: str, site: Site) -> None:
    token = site.token("ada", "room:*", scope="publish", ttl=120)
    asking = site.token("bob", scope=scope) if scope else token
    claims = site.fws.tokens.verify(token)
    assert seen_by(site, bearer(asking), token) == {
        "active": True,
        "token_type": "Bearer",
        "username": "ada",
        "iss": "fws",
        "aud": "fws",
        "sub": "ada",
        "iat": claims["iat"],
        "exp": claims["exp"],
        "jti": claims.token_id,
        "groups": ["room:*"],
        "scope": "publish",
    }


def test_a_client_with_the_scope_sees_it_too(site: Site) -> None:
    assert seen_by(site, login(), site.token("ada"))["active"] is True


def test_to_others_a_token_is_not_active(site: Site) -> None:
    token = site.token("ada")
    for asking in (bearer(site.token("bob", scope="revoke status publish")), login("plain")):
        assert seen_by(site, asking, token) == INACTIVE


def test_an_invalid_token_is_not_active(site: Site, make_site: MakeSite) -> None:
    expired = site.token("ada", ttl=50)
    site.clock.set(100)
    revoked = site.token("ada")
    site.fws.revoke(token=revoked)
    foreign = make_site(signing_key=KEY[::-1]).token("ada")
    refresh = site.tokens("ada")["refresh_token"]
    for token in (expired, revoked, foreign, refresh, "rubbish", "a.b.c", "x" * 9000):
        assert seen_by(site, login(), token) == INACTIVE


def test_claims_cannot_replace_fields_of_the_answer(site: Site) -> None:
    now = int(time.time())
    claims = {"iss": "fws", "aud": "fws", "sub": "ada", "iat": now, "exp": now + 60, "jti": "x",
              "active": False, "username": "root", "token_type": "mac"}  # fmt: skip
    found = seen_by(site, login(), jwt.encode(claims, KEY, "HS256"))
    assert (found["active"], found["username"], found["token_type"]) == (True, "ada", "Bearer")


def test_introspection_does_not_count_as_a_refusal(site: Site) -> None:
    introspect(site, login(), token="rubbish")
    assert site.fws.tokens.counts["refused"] == 0


@pytest.mark.parametrize("fields", [{}, {"token": ""}, {"token_type_hint": "access_token"}])
def test_there_must_be_a_token(fields: dict[str, str], site: Site) -> None:
    assert introspect(site, login(), **fields).refusal == (400, "invalid_request")


def test_the_type_hint_changes_nothing(site: Site) -> None:
    answer = introspect(site, login(), token=site.token(), token_type_hint="refresh_token")
    assert answer.json["active"] is True


def test_several_processes_answer_alike(site: Site) -> None:
    site.fws.tokens.several_processes = True
    assert seen_by(site, login(), site.token())["active"] is True
