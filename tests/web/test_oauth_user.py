"""/fws/token for logged-in users of the application: the token_for_request hook."""

from __future__ import annotations

from typing import Any

import pytest
from flask import request

from fws_gevent import TokenGrant
from fws_gevent.tokens.store import MemoryTokenStore
from tests.conftest import Connect

from .conftest import MakeSite
from .sites import Answer, Site

GRANT = TokenGrant(subject="ada", groups=["room:*"], scope="publish status", ttl=90)


def hook(site: Site, found: Any = GRANT) -> Site:
    """Return the site, with a hook that always gives the same answer."""
    site.fws.token_for_request(lambda: found)
    return site


def claims_of(site: Site, answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer
    return site.fws.tokens.verify(answer.json["access_token"])


def test_without_a_hook_there_must_be_a_grant_type(site: Site) -> None:
    assert site.post("/fws/token").refusal == (400, "invalid_request")


def test_without_a_log_in_there_is_no_token(site: Site) -> None:
    answer = hook(site, None).post("/fws/token")
    assert answer.refusal == (401, "invalid_client")
    # A challenge there must be (RFC 9110 §11.6.1), but none that opens a browser's dialog.
    assert answer.headers["www-authenticate"] == 'Bearer realm="fws"'


def test_a_grant_becomes_a_token_and_on_request_a_refresh_token(site: Site) -> None:
    assert "refresh_token" not in hook(site).post("/fws/token").json
    assert "refresh_token" not in hook(site).post("/fws/token", {"offline": ""}).json
    answer = hook(site).post("/fws/token", {"offline": "1"})
    assert answer.headers["cache-control"] == "no-store"
    content = answer.json
    names = {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert set(content) == names
    assert (content["token_type"], content["expires_in"]) == ("Bearer", 90)
    assert content["scope"] == "publish status"
    claims = claims_of(site, answer)
    assert claims["exp"] - claims["iat"] in (90, 91)  # in whole seconds
    assert (claims["sub"], claims["groups"]) == ("ada", ["room:*"])


def test_a_text_is_a_subject(site: Site) -> None:
    answer = hook(site, "ada").post("/fws/token")
    claims = claims_of(site, answer)
    assert (claims["sub"], claims["groups"], claims["scope"]) == ("ada", [], "")
    assert answer.json["expires_in"] == 3600


def test_a_dict_is_a_grant(site: Site) -> None:
    found = {"subject": "ada", "groups": ("a", "b"), "scope": "status"}
    claims = claims_of(site, hook(site, found).post("/fws/token"))
    assert (claims["sub"], claims["groups"], claims["scope"]) == ("ada", ["a", "b"], "status")


def test_the_hook_runs_in_the_request(site: Site) -> None:
    site.fws.token_for_request(lambda: request.cookies.get("user"))
    assert site.post("/fws/token").status == 401
    assert claims_of(site, site.post("/fws/token", Cookie="user=ada"))["sub"] == "ada"


def test_an_empty_body_without_a_type_is_a_form(site: Site) -> None:
    assert hook(site).ask("POST", "/fws/token").status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", ""])
def test_pages_of_other_sites_are_refused(origin: str, site: Site) -> None:
    called = []

    def who() -> str:
        called.append(1)
        return "ada"

    site.fws.token_for_request(who)
    for path in ("token", "ticket"):
        answer = site.post(f"/fws/{path}", Origin=origin)
        assert answer.refusal == (403, "access_denied")
    assert not called


def test_the_sites_own_pages_are_served(site: Site) -> None:
    assert hook(site).post("/fws/token", Origin=site.origin).status == 200


@pytest.mark.parametrize("origin", ["https://app.example", "null"])
def test_allowed_other_sites_are_served(origin: str, make_site: MakeSite) -> None:
    site = hook(make_site(allowed_origins=["https://app.example", "null"]))
    assert site.post("/fws/token", Origin=origin).status == 200
    assert site.post("/fws/token", Origin="https://app.example.evil").status == 403


@pytest.mark.parametrize("trusted", [True, False])
def test_behind_a_trusted_proxy_its_host_is_compared(trusted: bool, make_site: MakeSite) -> None:
    site = hook(make_site(trusted_proxies=["127.0.0.1"] if trusted else []))
    answer = site.post(
        "/fws/token", Origin="https://app.example", X_Forwarded_Host="app.example",
        X_Forwarded_Proto="https",
    )  # fmt: skip
    assert answer.status == (200 if trusted else 403)


def test_a_smaller_scope_applies_to_the_refresh_token_too(site: Site) -> None:
    content = hook(site).post("/fws/token", {"scope": "status", "offline": "1"}).json
    assert content["scope"] == "status"
    fields = {"grant_type": "refresh_token", "refresh_token": content["refresh_token"]}
    assert site.post("/fws/token", fields).json["scope"] == "status"


def test_a_larger_scope_is_refused(site: Site) -> None:
    assert hook(site).post("/fws/token", {"scope": "revoke"}).refusal == (400, "invalid_scope")


def test_a_grant_type_comes_before_the_hook(site: Site) -> None:
    answer = hook(site).post("/fws/token", {"grant_type": "client_credentials"})
    assert answer.refusal == (401, "invalid_client")


def test_without_a_signing_key_there_is_no_token(make_site: MakeSite) -> None:
    site = hook(make_site(auth="off", signing_key=None))
    for path in ("token", "ticket"):
        assert site.post(f"/fws/{path}").refusal == (503, "temporarily_unavailable")


@pytest.mark.parametrize("offline", ["0", "true", "yes"])
def test_offline_has_one_value(offline: str, site: Site) -> None:
    answer = hook(site).post("/fws/token", {"offline": offline})
    assert answer.refusal == (400, "invalid_request")


def test_several_processes_issue_it_without_a_refresh_token(site: Site) -> None:
    site.fws.tokens.several_processes = True
    content = hook(site).post("/fws/token").json
    assert set(content) == {"access_token", "token_type", "expires_in", "scope"}
    asked = hook(site).post("/fws/token", {"offline": "1"})
    assert asked.refusal == (503, "temporarily_unavailable")


@pytest.mark.parametrize("path", ["token", "ticket"])
def test_no_user_has_the_subject_of_a_program(path: str, site: Site) -> None:
    answer = hook(site, "client:billing").post(f"/fws/{path}")
    assert answer.refusal == (403, "access_denied")


@pytest.mark.parametrize("path", ["token", "ticket"])
@pytest.mark.parametrize("subject", ["", "a" * 248, "a\nb", "\ud800"])
def test_a_user_with_an_invalid_subject_is_refused(path: str, subject: str, site: Site) -> None:
    answer = hook(site, subject).post(f"/fws/{path}", {"offline": "1"})
    assert answer.refusal == (403, "access_denied")
    assert "this subject can't have a token: a " in answer.json["error_description"]


def test_a_full_store_is_unavailable(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.fws.tokens, "store", MemoryTokenStore(limit=0))
    for path in ("token", "ticket"):
        answer = hook(site).post(f"/fws/{path}", {"offline": "1"})
        assert answer.refusal == (503, "temporarily_unavailable")
    assert hook(site).post("/fws/token").status == 200


def test_a_failing_hook_is_a_server_error(site: Site) -> None:
    def who() -> str:
        raise RuntimeError("database away")

    site.fws.token_for_request(who)
    answer = site.post("/fws/token")
    assert answer.status == 500
    assert b"database" not in answer.body


def test_the_token_opens_a_websocket(site: Site, connect: Connect) -> None:
    client = site.dial(connect, hook(site).post("/fws/token").json["access_token"])
    site.fws.send_to("ada", "hello")
    assert client.receive() == "hello"
