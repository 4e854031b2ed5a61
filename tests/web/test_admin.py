"""Access to the status page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from itsdangerous import URLSafeSerializer
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
def test_only_the_password_opens_the_page(method: str) -> None:
    hashed = generate_password_hash(PASSWORD, method)
    made = admin(admin_password=hashed)
    assert made.log_in(PASSWORD) is not None
    for wrong in ("", PASSWORD[:-1], PASSWORD + " ", PASSWORD.upper(), hashed, "a.b.c", "\ud800"):
        assert not made.log_in(wrong.encode("utf-8", "replace").decode())


def test_a_password_may_have_dots() -> None:
    assert admin(admin_password=generate_password_hash("a.b.c"), signing_key=KEY).log_in("a.b.c")


def test_a_very_long_secret_is_not_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    made = admin(admin_password=HASH)
    monkeypatch.setattr("fws_gevent.web.admin.check_password_hash", lambda *_: 1 / 0)
    assert not made.log_in("x" * 8193)


def test_without_a_password_no_secret_opens_the_page() -> None:
    made = admin(signing_key=KEY)
    assert not made.log_in("")
    assert not made.log_in(PASSWORD)


def test_a_token_with_the_scope_is_a_log_in() -> None:
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
def test_there_is_a_link_only_without_a_password_and_a_key(
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


def test_a_cookie_is_a_log_in_until_it_ends() -> None:
    made = admin()
    claims = made.claims_of_cookie(made.cookie(made.new_log_in()))
    assert claims is not None
    assert claims.scope == {"status"}
    assert claims.groups == ()
    assert claims.expires_at - claims["iat"] == pytest.approx(SESSION, abs=60)


def test_a_forged_cookie_is_not_a_log_in() -> None:
    made = admin(signing_key=KEY)
    cookie = made.cookie(made.new_log_in())
    changed = cookie[:-9] + ("A" if cookie[-9] != "A" else "B") + cookie[-8:]
    forged = URLSafeSerializer("guessed", salt=COOKIE).dumps(made.new_log_in())
    for value in (None, "", "rubbish", "a.b.c", changed, cookie[1:], str(forged), "\xff" * 50):
        assert made.claims_of_cookie(value) is None


def test_a_cookie_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    made = admin()
    monkeypatch.setattr("fws_gevent.web.admin.SESSION", -1)
    assert made.claims_of_cookie(made.cookie(made.new_log_in())) is None


@pytest.mark.parametrize("name", ["admin_password", "signing_key"])
def test_cookies_last_as_long_as_the_secret_they_are_made_with(name: str) -> None:
    first, other = {"admin_password": (HASH, generate_password_hash(PASSWORD)),
                    "signing_key": (KEY, KEY[::-1])}[name]  # fmt: skip
    maker = admin(**{name: first})
    cookie = maker.cookie(maker.new_log_in())
    assert admin(**{name: first}).claims_of_cookie(cookie) is not None
    assert admin(**{name: other}).claims_of_cookie(cookie) is None
    assert admin().claims_of_cookie(cookie) is None


def test_a_cookie_ends_with_the_token_of_its_log_in() -> None:
    made = admin(signing_key=KEY)
    issued = made._tokens.issue("ada", (), "status publish", 60, "family of ada")
    found = made.log_in(issued)
    assert found is not None
    assert found.expires_at == made._tokens.verify(issued).expires_at
    assert (found.subject, found["scope"], found.groups) == ("ada", "status", ())
    revocations: list[Callable[[Tokens], None]] = [
        lambda tokens: tokens.revoke(tokens.verify(issued)),
        lambda tokens: tokens.revoke_family("family of ada", "ada"),
        lambda tokens: tokens.revoke_subject("ada"),
    ]
    for revoke in revocations:
        made = admin(signing_key=KEY)
        cookie = made.cookie(found)
        assert made.claims_of_cookie(cookie) is not None
        revoke(made._tokens)
        assert made.claims_of_cookie(cookie) is None


def test_a_log_out_ends_one_log_in_and_keeps_the_token() -> None:
    made = admin(signing_key=KEY, admin_password=HASH)
    issued = token("status")
    for found in (made.new_log_in(), made.log_in(issued)):
        assert found is not None
        cookie, other = made.cookie(found), made.cookie(made.new_log_in())
        made.log_out(cookie)
        assert made.claims_of_cookie(cookie) is None
        assert made.claims_of_cookie(other) is not None
        assert made.log_in(issued) is not None
    for value in (None, "", "rubbish"):
        made.log_out(value)
    assert made._tokens.counts["revoked"] == 2


def test_without_a_shared_store_only_the_browser_forgets_a_log_in() -> None:
    made = admin(signing_key=KEY)
    made._tokens.several_processes = True
    made.log_out(made.cookie(made.new_log_in()))
    assert made._tokens.counts["revoked"] == 0


@pytest.mark.parametrize("changed", ["admin_password", "signing_key", "signing_key_files"])
def test_another_password_or_key_ends_all_cookies(changed: str, tmp_path: Path) -> None:
    def settings(key: str) -> dict[str, object]:
        (tmp_path / "more").write_text(key)
        return {"admin_password": HASH, "signing_key": KEY,
                "signing_key_files": [f"more={tmp_path / 'more'}"]}  # fmt: skip

    made = admin(**settings(KEY[::-1]))
    cookie = made.cookie(made.new_log_in())
    assert admin(**settings(KEY[::-1])).claims_of_cookie(cookie) is not None
    other = {"admin_password": generate_password_hash(PASSWORD), "signing_key": KEY[1:] + "x"}
    given = settings("another key of 32 bytes or more." if changed not in other else KEY[::-1])
    given.update({name: value for name, value in other.items() if name == changed})
    assert admin(**given).claims_of_cookie(cookie) is None


def test_cookies_of_tokens_of_a_random_key_end_with_the_process() -> None:
    made, restarted = admin(admin_password=HASH), admin(admin_password=HASH)
    made._tokens.keys = restarted._tokens.keys = KeyRing.for_this_run()
    by_token = made.log_in(made._tokens.issue("ada", (), "status"))
    assert by_token is not None
    assert made.claims_of_cookie(made.cookie(by_token)) is not None
    assert restarted.claims_of_cookie(made.cookie(by_token)) is None
    assert restarted.claims_of_cookie(made.cookie(made.new_log_in())) is not None


def test_without_a_secret_cookies_end_with_the_process() -> None:
    made = admin()
    assert admin().claims_of_cookie(made.cookie(made.new_log_in())) is None


@pytest.mark.parametrize("private", [True, False])
def test_a_file_of_a_key_that_signs_is_a_secret_too(private: bool, tmp_path: Path) -> None:
    # One that only checks is no secret: whoever has it would make cookies.
    files = written(tmp_path, key=private_pem("p256") if private else public_pem("p256"))
    first, second = (admin(signing_algorithm="ES256", signing_key_files=files) for _ in range(2))
    assert (second.claims_of_cookie(first.cookie(first.new_log_in())) is not None) is private
    assert first.link_secret is None
