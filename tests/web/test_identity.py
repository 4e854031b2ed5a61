"""The sender of a request: clients, tokens and addresses."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from .conftest import MakeSite
from .sites import FORM, KEY, SECRETS, Site, basic, bearer, login

PATHS = ["revoke", "introspect", "publish"]
FIELDS = {"token": "rubbish", "data": "hello", "group": "bills"}


@pytest.mark.parametrize("path", PATHS)
def test_a_request_without_credentials_is_asked_for_a_token(path: str, site: Site) -> None:
    answer = site.post(f"/fws/{path}", FIELDS)
    assert answer.refusal == (401, "invalid_token")
    # No error code for who has no credentials at all (RFC 6750 §3.1).
    assert answer.headers["www-authenticate"] == 'Bearer realm="fws"'


@pytest.mark.parametrize("path", [*PATHS, "ticket"])
@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("rubbish", "the token is malformed"),
        ("", "the token is malformed"),
        ("a=b, c=d", "the token is malformed"),
        ("x" * 8000, "the token is malformed"),
        ("expired", "the token has expired"),
        ("revoked", "the token was revoked"),
        ("forged", "the token's signature doesn't fit"),
    ],
)
def test_an_invalid_token_is_refused_with_a_reason(
    path: str, token: str, why: str, site: Site, make_site: MakeSite
) -> None:
    if token == "revoked":
        token = site.token()
        site.fws.revoke(token=token)
    elif token == "expired":
        token = site.token(ttl=50)
        site.clock.set(100)
    elif token == "forged":
        token = make_site(signing_key=KEY[::-1]).token()
    answer = site.post(f"/fws/{path}", FIELDS, Authorization=bearer(token))
    assert answer.refusal == (401, "invalid_token")
    expected = f'Bearer realm="fws", error="invalid_token", error_description="{why}"'
    assert answer.headers["www-authenticate"] == expected


@pytest.mark.parametrize("path", PATHS)
def test_a_wrong_secret_is_answered_with_the_scheme_to_use(path: str, site: Site) -> None:
    for answer in (
        site.post(f"/fws/{path}", FIELDS, Authorization=basic("billing", "wrong")),
        site.post(f"/fws/{path}", {**FIELDS, "client_id": "billing", "client_secret": "wrong"}),
    ):
        assert answer.refusal == (401, "invalid_client")
        assert answer.headers["www-authenticate"] == 'Basic realm="fws"'


@pytest.mark.parametrize("path", PATHS)
def test_a_client_authenticates_by_basic_or_by_form_but_not_both(path: str, site: Site) -> None:
    proof = {"client_id": "billing", "client_secret": SECRETS["billing"]}
    assert site.post(f"/fws/{path}", FIELDS, Authorization=login()).status == 200
    assert site.post(f"/fws/{path}", {**FIELDS, **proof}).status == 200
    both = site.post(f"/fws/{path}", {**FIELDS, **proof}, Authorization=login())
    assert both.refusal == (400, "invalid_request")


@pytest.mark.parametrize("path", PATHS)
def test_a_token_identifies_like_a_client(path: str, site: Site) -> None:
    token = site.token("ada", "bills", scope=path)
    assert site.post(f"/fws/{path}", FIELDS, Authorization=bearer(token)).status == 200
    assert site.post(f"/fws/{path}", FIELDS, Authorization=f"bearer {token}").status == 200


@pytest.mark.parametrize("path", PATHS)
def test_a_token_outside_of_authorization_is_ignored(path: str, site: Site) -> None:
    token = site.token(scope=path)
    fields = {**FIELDS, "access_token": token}
    assert site.post(f"/fws/{path}?access_token={token}", fields).status == 401


@pytest.mark.parametrize("path", ["token", *PATHS])
def test_a_repeated_parameter_is_refused_first(path: str, site: Site) -> None:
    answer = site.post(f"/fws/{path}", [("token", "a"), ("token", "b")])
    assert answer.refusal == (400, "invalid_request")


@pytest.mark.parametrize("path", ["token", "ticket", *PATHS])
def test_another_content_type_is_refused(path: str, site: Site) -> None:
    answer = site.post(f"/fws/{path}", FIELDS, Content_Type="application/json")
    assert answer.refusal == (400, "invalid_request")


# Trusted proxies, where another server has parsed the request.


@pytest.fixture
def behind_proxy(no_time_passes: None, make_site: MakeSite) -> FlaskClient:
    site = make_site(trusted_proxies=["10.0.0.0/8"], token_rate=2)
    site.fws.token_for_request(lambda: "ada")
    return site.app.test_client()


def post(client: FlaskClient, peer: str, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = client.post(
        "/fws/token", headers={"Content-Type": FORM, **named}, environ_base={"REMOTE_ADDR": peer}
    )
    return answer.status_code


def test_the_origin_is_compared_with_the_host_from_a_trusted_proxy(
    behind_proxy: FlaskClient,
) -> None:
    said = {"Origin": "https://app.example", "X_Forwarded_Host": "app.example"}
    assert post(behind_proxy, "10.0.0.1", **said) == 200
    assert post(behind_proxy, "192.0.2.1", **said) == 403


def test_the_rate_is_counted_by_client_behind_any_trusted_proxy(behind_proxy: FlaskClient) -> None:
    for peer in ("10.0.0.1", "10.0.0.2"):
        assert post(behind_proxy, peer, X_Forwarded_For="192.0.2.7") == 200
    assert post(behind_proxy, "10.0.0.3", X_Forwarded_For="192.0.2.7") == 429
    assert post(behind_proxy, "10.0.0.3", X_Forwarded_For="192.0.2.8") == 200
    assert post(behind_proxy, "10.0.0.3", X_Forwarded_For="evil, 192.0.2.7") == 429


def test_an_untrusted_proxy_cannot_name_another_client(behind_proxy: FlaskClient) -> None:
    statuses = [post(behind_proxy, "192.0.2.9", X_Forwarded_For=f"192.0.2.{n}") for n in range(3)]
    assert statuses == [200, 200, 429]


def test_a_trusted_proxy_is_recognized_in_either_spelling(behind_proxy: FlaskClient) -> None:
    said = {"Origin": "https://app.example", "X_Forwarded_Host": "app.example"}
    assert post(behind_proxy, "::ffff:10.0.0.1", **said) == 200
    assert post(behind_proxy, "::ffff:192.0.2.1", **said) == 403
