"""Who may look at the status page."""

from __future__ import annotations

from pathlib import Path

import pytest
from itsdangerous import URLSafeTimedSerializer
from werkzeug.security import generate_password_hash

from fws_gevent.settings import Settings
from fws_gevent.tokens import Tokens
from fws_gevent.tokens.keys import KeyRing
from fws_gevent.web.admin import COOKIE, SESSION, Admin
from tests.tokens.issuing import private_pem, public_pem, written

from .sites import KEY

PASSWORD = "correct horse battery"
HASH = generate_password_hash(PASSWORD)


def admin(**settings: object) -> Admin:
    given = Settings(**settings)  # type: ignore[arg-type]
    return Admin(given, Tokens(given, KeyRing.from_settings(given)))


def token(scope: str, key: str = KEY) -> str:
    given = Settings(signing_key=key)
    return Tokens(given, KeyRing.from_settings(given)).issue("ada", (), scope)


@pytest.mark.parametrize("method", ["scrypt", "pbkdf2:sha256:1000"])
def test_the_password_lets_in_and_no_other(method: str) -> None:
    hashed = generate_password_hash(PASSWORD, method)
    made = admin(admin_password=hashed)
    assert made.log_in(PASSWORD)
    for wrong in ("", PASSWORD[:-1], PASSWORD + " ", PASSWORD.upper(), hashed, "a.b.c", "\ud800"):
        assert not made.log_in(wrong.encode("utf-8", "replace").decode())


def test_a_password_with_dots_is_one() -> None:
    assert admin(admin_password=generate_password_hash("a.b.c"), signing_key=KEY).log_in("a.b.c")


def test_nothing_endless_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    made = admin(admin_password=HASH)
    monkeypatch.setattr("fws_gevent.web.admin.check_password_hash", lambda *_: 1 / 0)
    assert not made.log_in("x" * 8193)


def test_without_a_password_there_is_none() -> None:
    made = admin(signing_key=KEY)
    assert not made.log_in("")
    assert not made.log_in(PASSWORD)


def test_a_token_with_the_scope_lets_in() -> None:
    made = admin(signing_key=KEY)
    assert made.log_in(token("publish status"))
    assert not made.log_in(token("publish"))
    assert not made.log_in(token("status", KEY[::-1]))
    claims = made.claims_of_token(token("status"))
    assert claims is not None
    assert claims.subject == "ada"


@pytest.mark.parametrize(
    ("settings", "link", "form"),
    [
        ({}, True, False),
        ({"signing_key": KEY}, False, True),
        ({"admin_password": HASH}, False, True),
        ({"signing_key": KEY, "admin_password": HASH}, False, True),
    ],
)
def test_there_is_a_link_only_where_there_is_no_other_way(
    settings: dict[str, str], link: bool, form: bool
) -> None:
    made = admin(**settings)
    assert (made.link_secret is not None) is link
    assert made.has_form is form


def test_the_link_works_once() -> None:
    made = admin()
    secret = made.link_secret
    assert secret is not None
    assert not made.open_link("")
    assert not made.open_link(secret + "x")
    assert not made.open_link("\ud800")
    assert made.open_link(secret)
    assert not made.open_link(secret)


def test_several_processes_have_no_link() -> None:
    made = admin()
    secret = made.link_secret
    assert secret is not None
    assert not made.is_shut
    made._tokens.several_processes = True
    assert made.link_secret is None
    assert made.is_shut
    assert not made.open_link(secret)


def test_each_start_has_another_link() -> None:
    assert admin().link_secret != admin().link_secret


def test_a_cookie_is_worth_what_the_page_needs_until_it_ends() -> None:
    made = admin()
    claims = made.claims_of_cookie(made.cookie())
    assert claims is not None
    assert claims.scope == {"status"}
    assert claims.groups == ()
    assert claims.expires_at - claims["iat"] == pytest.approx(SESSION, abs=60)


def test_what_is_no_cookie_of_ours_is_worth_nothing() -> None:
    made = admin(signing_key=KEY)
    cookie = made.cookie()
    changed = cookie[:-9] + ("A" if cookie[-9] != "A" else "B") + cookie[-8:]
    forged = URLSafeTimedSerializer("guessed", salt=COOKIE).dumps("admin")
    for value in (None, "", "rubbish", "a.b.c", changed, cookie[1:], str(forged), "\xff" * 50):
        assert made.claims_of_cookie(value) is None


def test_a_cookie_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    made = admin()
    cookie = made.cookie()
    monkeypatch.setattr("fws_gevent.web.admin.SESSION", -1)
    assert made.claims_of_cookie(cookie) is None


@pytest.mark.parametrize("name", ["admin_password", "signing_key"])
def test_cookies_last_as_long_as_the_secret_that_they_are_made_with(name: str) -> None:
    first, other = {"admin_password": (HASH, generate_password_hash(PASSWORD)),
                    "signing_key": (KEY, KEY[::-1])}[name]  # fmt: skip
    cookie = admin(**{name: first}).cookie()
    assert admin(**{name: first}).claims_of_cookie(cookie) is not None
    assert admin(**{name: other}).claims_of_cookie(cookie) is None
    assert admin().claims_of_cookie(cookie) is None


def test_without_a_secret_cookies_end_with_the_process() -> None:
    assert admin().claims_of_cookie(admin().cookie()) is None


@pytest.mark.parametrize("private", [True, False])
def test_a_file_of_a_key_that_signs_is_a_secret_too(private: bool, tmp_path: Path) -> None:
    # One that only checks is no secret: whoever has it would make cookies.
    files = written(tmp_path, key=private_pem("p256") if private else public_pem("p256"))
    first, second = (admin(signing_algorithm="ES256", signing_key_files=files) for _ in range(2))
    assert (second.claims_of_cookie(first.cookie()) is not None) is private
    assert first.link_secret is None
