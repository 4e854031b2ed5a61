"""A refresh token ends with the log-in, and gets the present rights of its subject."""

from __future__ import annotations

from typing import Any

import pytest
from flask import request, session
from flask.testing import FlaskClient

from fws_gevent import TokenGrant, TokenResponse
from tests.conftest import Connect

from .conftest import MakeSite
from .sites import Site

RENEW = {"grant_type": "refresh_token"}


class Users:
    """The users of an application, with their rights and log-ins."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.grants: dict[str, TokenGrant] = {}
        site.app.secret_key = "a secret of the application"
        site.fws.token_for_request(self.who)
        for rule, view in (("/in/<name>", self.enter), ("/out", self.leave), ("/drop", self.drop),
                           ("/pair/<name>", self.pair)):  # fmt: skip
            site.app.add_url_rule(rule, view_func=view, methods=["POST"])

    def who(self) -> TokenGrant | None:
        name = session.get("user")
        return None if name is None else self.grants.get(name, TokenGrant(subject=name))

    def enter(self, name: str) -> str:
        session["user"] = name
        return "in"

    def leave(self) -> str:
        session.clear()
        return "out"

    def drop(self) -> str:
        del session["user"]  # as flask-login does: what else there is stays
        return "out"

    def pair(self, name: str) -> TokenResponse:
        return self.site.fws.issue_tokens(name, ["room:*"], "status")

    def browser(self, name: str | None = None) -> FlaskClient:
        made = self.site.app.test_client()
        if name is not None:
            made.post(f"/in/{name}")
        return made


@pytest.fixture
def users(site: Site) -> Users:
    return Users(site)


def pair(browser: FlaskClient, **fields: str) -> Any:
    answer = browser.post("/fws/token", data={"offline": "1", **fields})
    assert answer.status_code == 200, answer.text
    return answer.json


def renewed(browser: FlaskClient, pair: Any, **fields: str) -> Any:
    form = {**RENEW, "refresh_token": pair["refresh_token"], **fields}
    return browser.post("/fws/token", data=form)


def refused(answer: Any) -> bool:
    return bool(answer.status_code == 400 and answer.json["error"] == "invalid_grant")


def test_a_renewal_has_what_the_hook_grants_now(users: Users) -> None:
    browser = users.browser("bob")
    users.grants["bob"] = TokenGrant(
        subject="bob", groups=["room:*", "board"], scope="status publish", ttl=600
    )
    first = pair(browser)
    users.grants["bob"] = TokenGrant(
        subject="bob", groups=["room:lobby"], scope="publish revoke", ttl=60
    )
    second = renewed(browser, first).json
    claims = users.site.fws.tokens.verify(second["access_token"])
    assert claims.groups == ("room:lobby",)
    assert claims.scope == {
        "publish"
    }  # the part of the old scope that is still granted: a scope never grows
    assert second["expires_in"] == 60
    assert renewed(browser, second).status_code == 200


@pytest.mark.parametrize("way", ["/out", "/drop"])
def test_a_log_out_revokes_it_with_its_family(way: str, users: Users, connect: Connect) -> None:
    browser = users.browser("ada")
    first = pair(browser)
    client = users.site.dial(connect, first["access_token"])
    browser.post(way)
    assert refused(renewed(browser, first))
    assert client.frame().close == (4401, "the token was revoked")
    browser.post("/in/ada")
    assert refused(renewed(browser, first))


def test_the_next_log_in_of_the_same_user_is_another_one(users: Users) -> None:
    browser = users.browser("ada")
    first = pair(browser)
    browser.post("/out")
    browser.post("/in/ada")
    assert refused(renewed(browser, first))
    assert renewed(browser, pair(browser)).status_code == 200


def test_it_needs_the_log_in_of_its_own_user(users: Users) -> None:
    for thief in (users.browser(), users.browser("eve"), users.browser("ada")):
        assert refused(renewed(thief, pair(users.browser("ada"))))


def test_a_request_from_another_site_revokes_nothing(users: Users) -> None:
    browser = users.browser("ada")
    first = pair(browser)
    form = {**RENEW, "refresh_token": first["refresh_token"]}
    answer = browser.post("/fws/token", data=form, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert renewed(browser, first).status_code == 200


def test_users_without_a_session_renew_too(site: Site) -> None:
    users = {"Basic x": "ada"}
    site.fws.token_for_request(lambda: users.get(request.headers.get("X-User", "")))
    first = site.post("/fws/token", {"offline": "1"}, X_User="Basic x").json
    form = {**RENEW, "refresh_token": first["refresh_token"]}
    second = site.post("/fws/token", form, X_User="Basic x")
    assert second.status == 200
    del users["Basic x"]
    form["refresh_token"] = second.json["refresh_token"]
    assert site.post("/fws/token", form, X_User="Basic x").refusal == (400, "invalid_grant")


def test_one_issued_by_a_view_to_the_logged_in_user_ends_with_the_log_in(users: Users) -> None:
    browser = users.browser("ada")
    first = browser.post("/pair/ada").json
    assert renewed(browser, browser.post("/pair/ada").json).status_code == 200
    browser.post("/out")
    assert refused(renewed(browser, first))


def test_one_issued_by_a_view_to_another_subject_is_not_tied_to_a_log_in(users: Users) -> None:
    program = users.browser()
    second = renewed(program, users.browser("eve").post("/pair/ada").json)
    assert second.status_code == 200
    claims = users.site.fws.tokens.verify(second.json["access_token"])
    assert (claims.subject, claims.groups, claims["scope"]) == ("ada", ("room:*",), "status")


def test_a_hook_that_refuses_the_request_means_no_log_in(users: Users) -> None:
    def who() -> str:
        return str(request.args["user"])  # 400 without it

    users.site.fws.token_for_request(who)
    first = users.browser().post("/pair/ada").json
    assert renewed(users.browser(), first).status_code == 200


def test_without_a_log_in_the_subject_hook_gives_the_rights(users: Users) -> None:
    rights: dict[str, TokenGrant] = {}
    users.site.fws.token_for_subject(rights.get)
    program = users.browser()
    first = program.post("/pair/ada").json
    rights["ada"] = TokenGrant(subject="ada", groups=["room:lobby"], scope="status", ttl=90)
    second = renewed(program, first).json
    claims = users.site.fws.tokens.verify(second["access_token"])
    assert (claims.groups, second["expires_in"]) == (("room:lobby",), 90)
    del rights["ada"]
    assert refused(renewed(program, second))
    assert users.site.fws.tokens.peek(second["access_token"]) is None


def test_a_renewal_does_not_lengthen_the_life_of_tokens(site: Site) -> None:
    with site.app.test_request_context():
        first = site.fws.issue_tokens("ada", ttl=90)
    form = {**RENEW, "refresh_token": first["refresh_token"]}
    assert site.post("/fws/token", form).json["expires_in"] == 90


def test_page_loads_store_nothing(make_site: MakeSite) -> None:
    users = Users(make_site(token_rate=0))
    browser = users.browser("ada")
    store: Any = users.site.fws.tokens.store
    for _ in range(20):
        assert browser.post("/fws/token").status_code == 200
    assert len(store._refresh) == len(store._spent) == 0
