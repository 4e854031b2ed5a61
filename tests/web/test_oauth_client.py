"""/fws/token for programs: grant_type=client_credentials (RFC 6749 §4.4)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from tests.raw_http import exchange, request

from .conftest import MakeSite
from .sites import FORM, SECRETS, Answer, Site, basic, bearer, login

GRANT = {"grant_type": "client_credentials"}
IN_FORM = {**GRANT, "client_id": "billing", "client_secret": SECRETS["billing"]}


def assert_issued(answer: Answer, scope: str) -> dict[str, Any]:
    """Check that it is an answer of RFC 6749 §5.1, without a refresh token (§4.4.3)."""
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    content: dict[str, Any] = answer.json
    assert set(content) == {"access_token", "token_type", "expires_in", "scope"}
    assert content["token_type"] == "Bearer"
    assert content["scope"] == scope
    return content


def test_a_client_gets_a_token_by_basic(site: Site) -> None:
    content = assert_issued(
        site.post("/fws/token", GRANT, Authorization=login()), "publish revoke introspect"
    )
    claims = site.fws.tokens.verify(content["access_token"])
    assert claims.subject == "client:billing"
    assert claims.groups == ("room:*", "bills")
    assert claims.scope == {"publish", "revoke", "introspect"}
    assert content["expires_in"] == 3600
    assert claims["exp"] - claims["iat"] in (3600, 3601)  # in whole seconds


def test_a_client_gets_a_token_by_form(site: Site) -> None:
    content = assert_issued(site.post("/fws/token", IN_FORM), "publish revoke introspect")
    assert site.fws.tokens.verify(content["access_token"]).subject == "client:billing"


def test_id_and_secret_are_form_encoded_inside_of_basic(site: Site) -> None:
    assert_issued(site.post("/fws/token", GRANT, Authorization=login("a b:c%")), "publish")


def test_the_life_of_tokens_is_the_settings(make_site: MakeSite) -> None:
    answer = make_site(token_ttl=7.0).post("/fws/token", IN_FORM)
    assert answer.json["expires_in"] == 7


@pytest.mark.parametrize("known", ["Bearer nonsense", "Digest username=billing"])
def test_the_form_is_used_beside_other_schemes(known: str, site: Site) -> None:
    assert site.post("/fws/token", IN_FORM, Authorization=known).status == 200


@pytest.mark.parametrize("given", ["scope", None])
def test_two_authentications_are_an_error(given: str | None, site: Site) -> None:
    fields = {**IN_FORM, **({given: "publish"} if given else {})}
    answer = site.post("/fws/token", fields, Authorization=login())
    assert answer.refusal == (400, "invalid_request")


@pytest.mark.parametrize(
    ("fields", "authorization"),
    [
        (GRANT, basic("billing", "wrong")),
        (GRANT, basic("nobody", SECRETS["billing"])),
        (GRANT, basic("plain", SECRETS["billing"])),
        (GRANT, basic("billing", "")),
        (GRANT, basic("", "")),
        (GRANT, "Basic !!!"),
        (GRANT, "Basic " + base64.b64encode(b"\xff\xfe").decode()),
        (GRANT, "Basic"),
        (GRANT, None),
        ({**GRANT, "client_id": "billing"}, None),
        ({**GRANT, "client_id": "billing", "client_secret": "wrong"}, None),
        ({**GRANT, "client_id": "nobody", "client_secret": SECRETS["billing"]}, None),
        ({**GRANT, "client_secret": SECRETS["billing"]}, None),
        ({**GRANT, "client_id": "ünknown", "client_secret": "\ud800\udfffé"}, None),
    ],
)  # fmt: skip
def test_a_failed_authentication_is_answered_with_a_challenge(
    fields: Mapping[str, str], authorization: str | None, site: Site
) -> None:
    fields = {name: value.encode("utf-8", "replace").decode() for name, value in fields.items()}
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = site.post("/fws/token", fields, **headers)
    assert answer.refusal == (401, "invalid_client")
    assert answer.headers["www-authenticate"] == 'Basic realm="fws"'


def test_a_wrong_secret_and_an_unknown_client_get_the_same_answer(site: Site) -> None:
    wrong, unknown = (
        site.post("/fws/token", GRANT, Authorization=basic(name, "wrong"))
        for name in ("billing", "nobody")
    )
    assert wrong.body == unknown.body


@pytest.mark.parametrize("kind", ["password", "authorization_code", "CLIENT_CREDENTIALS", "x" * 99])
def test_other_grants_are_not_supported(kind: str, site: Site) -> None:
    answer = site.post("/fws/token", {"grant_type": kind}, Authorization=login())
    assert answer.refusal == (400, "unsupported_grant_type")


@pytest.mark.parametrize("fields", [{}, {"grant_type": ""}, {"scope": "publish"}])
def test_a_missing_grant_type_is_an_error(fields: Mapping[str, str], site: Site) -> None:
    # One without a value counts as omitted (RFC 6749 §3.2).
    answer = site.post("/fws/token", fields, Authorization=login())
    assert answer.refusal == (400, "invalid_request")


@pytest.mark.parametrize("name", ["grant_type", "scope", "client_secret", "unheard_of"])
def test_a_repeated_parameter_is_an_error(name: str, site: Site) -> None:
    fields = [*IN_FORM.items(), ("scope", "publish"), ("unheard_of", "1"), (name, "again")]
    assert site.post("/fws/token", fields).refusal == (400, "invalid_request")


def test_unknown_parameters_are_ignored(site: Site) -> None:
    assert site.post("/fws/token", {**IN_FORM, "unheard_of": "1"}).status == 200


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", "nonsense"]
)
def test_another_content_type_is_an_error(kind: str, site: Site) -> None:
    answer = site.post("/fws/token", IN_FORM, Content_Type=kind)
    assert answer.refusal == (400, "invalid_request")


def test_a_charset_may_be_named(site: Site) -> None:
    answer = site.post("/fws/token", IN_FORM, Content_Type=f"{FORM}; charset=UTF-8")
    assert answer.status == 200


@pytest.mark.parametrize("path", ["token", "ticket", "revoke", "introspect", "publish"])
def test_a_body_that_is_too_large_is_refused(path: str, site: Site) -> None:
    answer = site.post(f"/fws/{path}", {"grant_type": "x" * 65536}, Authorization=login())
    assert answer.refusal == (413, "invalid_request")


def test_a_body_in_chunks_is_bounded_too(site: Site) -> None:
    head = request("POST /fws/token HTTP/1.1", f"Content-Type: {FORM}",
                   "Transfer-Encoding: chunked")  # fmt: skip
    body = b"11000\r\n" + b"a" * 0x11000 + b"\r\n0\r\n\r\n"
    assert exchange(site.server, head + body)[0].status == 413


@pytest.mark.parametrize(
    ("wanted", "got"),
    [("publish", "publish"), ("introspect publish", "introspect publish"),
     ("publish publish", "publish"), ("  ", ""), ("", "publish revoke introspect")],
)  # fmt: skip
def test_a_smaller_scope_may_be_requested(wanted: str, got: str, site: Site) -> None:
    content = assert_issued(site.post("/fws/token", {**IN_FORM, "scope": wanted}), got)
    assert site.fws.tokens.verify(content["access_token"]).scope == set(got.split())


@pytest.mark.parametrize("wanted", ["status", "publish status", "publish,revoke"])
def test_a_larger_scope_is_refused(wanted: str, site: Site) -> None:
    answer = site.post("/fws/token", {**IN_FORM, "scope": wanted})
    assert answer.refusal == (400, "invalid_scope")


@pytest.mark.parametrize("path", ["token", "ticket", "revoke", "introspect", "publish"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_is_answered(method: str, path: str, site: Site) -> None:
    target = f"/fws/{path}?grant_type=client_credentials&client_id=billing"
    answer = site.ask(method, target, headers={"Authorization": login()})
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == {"POST", "OPTIONS"}


def test_parameters_in_the_query_are_ignored(site: Site) -> None:
    target = "/fws/token?grant_type=client_credentials"
    assert site.post(target, Authorization=login()).refusal == (400, "invalid_request")


def test_without_a_signing_key_there_is_no_token(make_site: MakeSite) -> None:
    site = make_site(auth="off", signing_key=None)
    assert site.post("/fws/token", IN_FORM).refusal == (503, "temporarily_unavailable")


def test_without_a_file_there_are_no_clients(make_site: MakeSite) -> None:
    site = make_site(token_clients=None)
    assert site.post("/fws/token", IN_FORM).refusal == (401, "invalid_client")


def test_several_processes_issue_tokens(site: Site) -> None:
    site.fws.tokens.several_processes = True
    assert_issued(site.post("/fws/token", IN_FORM), "publish revoke introspect")


def test_a_clients_token_opens_a_websocket_as_its_subject(site: Site) -> None:
    token = site.post("/fws/token", IN_FORM).json["access_token"]
    fields = {"token": token}
    answer = site.post("/fws/introspect", fields, Authorization=bearer(token))
    assert answer.json["username"] == "client:billing"
