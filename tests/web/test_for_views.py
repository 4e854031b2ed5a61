"""Views issue and revoke tokens, and register the hooks that name users."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from fws_gevent.errors import TokenInvalid
from fws_gevent.web.for_views import TokensForViews

from .conftest import MakeSite
from .sites import Site

GRANT: dict[str, Any] = {"groups": ["room:*"], "scope": ["publish", "status"], "ttl": 90}


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site()


def test_all_that_is_issued_takes_the_same_arguments() -> None:
    issuing = ("issue_token", "issue_tokens", "issue_ticket")
    one, *others = (inspect.signature(getattr(TokensForViews, name)) for name in issuing)
    assert list(one.parameters) == ["self", "subject", "groups", "scope", "ttl"]
    assert [each.parameters for each in others] == [one.parameters] * 2


def test_a_token_a_pair_and_a_ticket_grant_the_same(site: Site) -> None:
    tokens = site.fws.tokens
    with site.app.test_request_context():
        pair = site.fws.issue_tokens("ada", **GRANT)
    found = (
        tokens.verify(site.fws.issue_token("ada", **GRANT)),
        tokens.verify(pair["access_token"]),
        tokens.redeem(site.fws.issue_ticket("ada", **GRANT)),
    )
    for claims in found:
        assert (claims.subject, claims.groups) == ("ada", ("room:*",))
        assert claims.scope == {"publish", "status"}
        assert claims.expires_at - claims["iat"] in (90, 91)
    assert (pair["scope"], pair["expires_in"]) == ("publish status", 90)
    assert pair["token_type"] == "Bearer"


@pytest.mark.parametrize(
    "wrong", [{"groups": "room"}, {"scope": ["two parts"]}, {"ttl": 0}, {"groups": [""]}]
)
@pytest.mark.parametrize("name", ["issue_token", "issue_tokens", "issue_ticket"])
def test_a_grant_that_no_token_can_have_is_a_value_error(
    site: Site, name: str, wrong: dict[str, Any]
) -> None:
    with site.app.test_request_context(), pytest.raises(ValueError):  # noqa: PT011
        getattr(site.fws, name)("ada", **wrong)


def test_a_revoked_token_is_not_valid_any_more(site: Site) -> None:
    token = site.token("ada")
    site.fws.revoke(token=token)
    with pytest.raises(TokenInvalid, match="revoked"):
        site.fws.revoke(token=token)


@pytest.mark.parametrize("given", [{}, {"subject": "ada", "token": "x"}])
def test_revoke_takes_a_subject_or_a_token(site: Site, given: dict[str, str]) -> None:
    with pytest.raises(TypeError, match="needs a subject or a token"):
        site.fws.revoke(**given)


def test_a_hook_is_handed_back(site: Site) -> None:
    def user() -> str:
        return "ada"

    def rights(subject: str) -> str:
        return subject

    assert site.fws.token_for_request(user) is user
    assert site.fws.token_for_subject(rights) is rights
