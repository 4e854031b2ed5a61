"""/fws/revoke (RFC 7009)."""

from __future__ import annotations

import pytest

from fws_gevent.errors import TokenInvalid
from tests.conftest import Connect

from .conftest import MakeSite
from .sites import KEY, Answer, Site, bearer, login


def revoke(site: Site, authorization: str, **fields: str) -> Answer:
    return site.post("/fws/revoke", fields, Authorization=authorization)


def assert_done(answer: Answer) -> None:
    assert (answer.status, answer.json) == (200, {})
    assert answer.headers["cache-control"] == "no-store"


def is_valid(site: Site, token: str) -> bool:
    return site.fws.tokens.peek(token) is not None


def test_a_token_may_revoke_itself(site: Site, connect: Connect) -> None:
    token, other = site.token("ada"), site.token("ada")
    client, bystander = site.dial(connect, token), site.dial(connect, other)
    assert_done(revoke(site, bearer(token), token=token))
    assert client.frame().close == (4401, "the token was revoked")
    assert not is_valid(site, token)
    assert is_valid(site, other)
    site.server.broadcast("still there")
    assert bystander.receive() == "still there"


def test_a_subject_may_revoke_another_of_its_tokens(site: Site) -> None:
    lost = site.token("ada")
    assert_done(revoke(site, bearer(site.token("ada")), token=lost))
    assert not is_valid(site, lost)


def test_a_client_may_revoke_its_own(site: Site) -> None:
    grant = {"grant_type": "client_credentials"}
    own = site.post("/fws/token", grant, Authorization=login("plain")).json["access_token"]
    assert_done(revoke(site, login("plain"), token=own))
    assert not is_valid(site, own)


def test_the_token_of_another_subject_needs_the_scope(site: Site) -> None:
    token = site.token("ada")
    for authorization in (bearer(site.token("bob", scope="status publish")), login("plain")):
        answer = revoke(site, authorization, token=token)
        assert answer.refusal == (403, "insufficient_scope")
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert is_valid(site, token)
    assert_done(revoke(site, bearer(site.token("bob", scope="revoke")), token=token))
    assert not is_valid(site, token)


def test_a_client_with_the_scope_may_revoke_all(site: Site) -> None:
    token = site.token("ada")
    assert_done(revoke(site, login(), token=token))
    assert not is_valid(site, token)


def test_a_refresh_token_revokes_its_family(site: Site, connect: Connect) -> None:
    family, other = site.tokens("ada"), site.tokens("ada")
    client = site.dial(connect, family["access_token"])
    assert_done(revoke(site, bearer(other["access_token"]), token=family["refresh_token"]))
    assert client.frame().close == (4401, "the token was revoked")
    assert not is_valid(site, family["access_token"])
    assert is_valid(site, other["access_token"])
    with pytest.raises(TokenInvalid):
        site.fws.tokens.spend_refresh(family["refresh_token"])
    site.fws.tokens.spend_refresh(other["refresh_token"])


def test_the_refresh_token_of_another_subject_needs_the_scope(site: Site) -> None:
    family = site.tokens("ada")
    answer = revoke(site, bearer(site.token("bob")), token=family["refresh_token"])
    assert answer.refusal == (403, "insufficient_scope")
    assert is_valid(site, family["access_token"])
    assert_done(revoke(site, login(), token=family["refresh_token"]))
    assert not is_valid(site, family["access_token"])


def test_a_used_refresh_token_revokes_its_family_too(site: Site) -> None:
    family = site.tokens("ada")
    site.fws.tokens.spend_refresh(family["refresh_token"])
    assert_done(revoke(site, login(), token=family["refresh_token"]))
    assert not is_valid(site, family["access_token"])


def test_the_type_hint_changes_nothing(site: Site) -> None:
    token = site.token("ada")
    assert_done(revoke(site, bearer(token), token=token, token_type_hint="refresh_token"))
    assert not is_valid(site, token)


def test_an_unknown_or_invalid_token_is_not_an_error(site: Site, make_site: MakeSite) -> None:
    expired = site.token("ada", ttl=50)
    site.clock.set(100)
    revoked = site.token("ada")
    site.fws.revoke(token=revoked)
    foreign = make_site(signing_key=KEY[::-1]).token("ada")
    for token in (expired, revoked, foreign, "rubbish", "a.b.c", "x" * 9000):
        assert_done(revoke(site, login("plain"), token=token))


def test_a_subject_may_revoke_all_of_its_own(site: Site, connect: Connect) -> None:
    tokens = [site.token("ada") for _ in range(2)]
    bob = site.token("bob")
    clients = [site.dial(connect, token) for token in tokens]
    bystander = site.dial(connect, bob)
    assert_done(revoke(site, bearer(tokens[0]), subject="ada"))
    for client in clients:
        assert client.frame().close == (4401, "the token was revoked")
    assert not any(is_valid(site, token) for token in tokens)
    assert is_valid(site, bob)
    site.server.broadcast("still there")
    assert bystander.receive() == "still there"


def test_another_subject_needs_the_scope(site: Site) -> None:
    token = site.token("ada")
    answer = revoke(site, bearer(site.token("bob")), subject="ada")
    assert answer.refusal == (403, "insufficient_scope")
    assert is_valid(site, token)
    assert_done(revoke(site, login(), subject="ada"))
    assert not is_valid(site, token)


def test_a_jti_always_needs_the_scope(site: Site, connect: Connect) -> None:
    token = site.token("ada")
    name = site.fws.tokens.verify(token).token_id
    assert revoke(site, bearer(token), jti=name).refusal == (403, "insufficient_scope")
    client = site.dial(connect, token)
    assert_done(revoke(site, login(), jti=name))
    assert client.frame().close == (4401, "the token was revoked")
    assert not is_valid(site, token)


def test_an_unknown_subject_or_jti_is_not_an_error(site: Site) -> None:
    assert_done(revoke(site, login(), subject="nobody"))
    assert_done(revoke(site, login(), jti="nothing"))


@pytest.mark.parametrize(
    "fields",
    [{}, {"token": ""}, {"token_type_hint": "access_token"}, {"token": "a", "subject": "b"},
     {"subject": "a", "jti": "b"}, {"token": "a", "subject": "b", "jti": "c"}],
)  # fmt: skip
def test_exactly_one_parameter_is_needed(fields: dict[str, str], site: Site) -> None:
    assert revoke(site, login(), **fields).refusal == (400, "invalid_request")


def test_several_processes_without_a_shared_store_refuse(site: Site) -> None:
    token, family = site.token("ada"), site.tokens("ada")
    site.fws.tokens.several_processes = True
    for fields in ({"token": token}, {"token": family["refresh_token"]}, {"subject": "ada"},
                   {"jti": "some"}):  # fmt: skip
        assert revoke(site, login(), **fields).refusal == (503, "temporarily_unavailable")
    assert is_valid(site, token)
    assert is_valid(site, family["access_token"])


def test_a_full_store_is_unavailable(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.fws.tokens.store, "_limit", 0)
    answer = revoke(site, login(), subject="ada")
    assert answer.refusal == (503, "temporarily_unavailable")


def test_a_token_cannot_be_used_after_it_revoked_itself(site: Site) -> None:
    token = site.token("ada")
    assert_done(revoke(site, bearer(token), token=token))
    assert revoke(site, bearer(token), token=token).refusal == (401, "invalid_token")
