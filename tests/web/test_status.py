"""Access to the status page: log-in, link, cookie, log-out, and protection of browsers."""

from __future__ import annotations

import re
from http.cookies import Morsel, SimpleCookie

import pytest
from werkzeug.security import generate_password_hash

from fws_gevent import __version__
from fws_gevent.tokens.store import MemoryTokenStore
from fws_gevent.web.admin import SESSION
from fws_gevent.web.service import LIVE

from .conftest import MakeSite
from .sites import Answer, Site, bearer

PASSWORD = "correct horse battery"
HASH = generate_password_hash(PASSWORD)
STATUS = "/fws/status"


def cookie_of(answer: Answer) -> Morsel[str]:
    """Return the cookie of a successful log-in."""
    assert (answer.status, answer.headers["location"]) == (303, STATUS)
    assert answer.headers["cache-control"] == "no-store"
    jar = SimpleCookie(answer.headers["set-cookie"])
    assert set(jar) == {"fws_status"}
    return jar["fws_status"]


def page(site: Site, answer: Answer) -> Answer:
    """Return the page with a cookie."""
    return site.get(STATUS, Cookie=f"fws_status={cookie_of(answer).value}")


def assert_shut(answer: Answer) -> None:
    """Check that it is the log-in page, without data of the server."""
    assert answer.status == 401
    assert "set-cookie" not in answer.headers
    assert b"data-live-path" not in answer.body
    assert __version__.encode() not in answer.body


@pytest.fixture
def guarded(make_site: MakeSite) -> Site:
    return make_site(admin_password=HASH)


@pytest.fixture
def open_site(make_site: MakeSite) -> Site:
    """Return a site with only the one-time link."""
    return make_site(auth="off", signing_key=None)


@pytest.mark.parametrize("cookie", [None, "", "rubbish", "a.b.c", "é", '"\xa0', "\xff"])
def test_it_is_not_public(cookie: str | None, guarded: Site) -> None:
    headers = {} if cookie is None else {"Cookie": f"fws_status={cookie}"}
    assert_shut(guarded.get(STATUS, **headers))
    answer = guarded.get(f"{STATUS}?format=json", **headers)
    assert answer.refusal == (401, "invalid_token")
    assert answer.headers["www-authenticate"] == 'Bearer realm="fws"'


@pytest.mark.parametrize("path", [STATUS, f"{STATUS}?format=json"])
def test_a_token_with_the_scope_opens_it(path: str, site: Site) -> None:
    answer = site.get(path, Authorization=bearer(site.token("ada", scope="publish status")))
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", [STATUS, f"{STATUS}?format=json"])
def test_a_token_without_it_does_not(path: str, site: Site) -> None:
    answer = site.get(path, Authorization=bearer(site.token("ada", scope="publish")))
    assert answer.refusal == (403, "insufficient_scope")


def test_an_invalid_token_does_not(site: Site) -> None:
    expired = site.token("ada", scope="status", ttl=50)
    site.clock.set(100)
    for token in ("rubbish", expired):
        answer = site.get(STATUS, Authorization=bearer(token))
        assert answer.refusal == (401, "invalid_token")


def test_an_invalid_token_is_refused_despite_a_cookie(site: Site) -> None:
    token = site.token("ada", scope="status")
    let_in = site.post("/fws/login", {"secret": token})
    cookie = let_in.headers["set-cookie"].partition(";")[0]
    assert site.get(STATUS, Cookie=cookie).status == 200
    answer = site.get(STATUS, Cookie=cookie, Authorization="Bearer rubbish")
    assert answer.refusal == (401, "invalid_token")


def test_the_password_opens_it(guarded: Site) -> None:
    answer = page(guarded, guarded.post("/fws/login", {"secret": PASSWORD}))
    assert answer.status == 200
    assert LIVE.encode() in answer.body


def test_a_token_opens_it_by_the_form(site: Site) -> None:
    token = site.token("ada", scope="status")
    assert page(site, site.post("/fws/login", {"secret": token})).status == 200


def test_the_cookie_is_hidden_from_scripts_and_other_paths(guarded: Site) -> None:
    cookie = cookie_of(guarded.post("/fws/login", {"secret": PASSWORD}))
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/fws/"
    assert cookie["max-age"] == str(SESSION)
    assert cookie["domain"] == ""
    assert cookie["secure"] == ""  # over http no browser would take it


@pytest.mark.parametrize(("trusted", "secure"), [(["127.0.0.1"], True), ([], "")])
def test_behind_https_it_is_secure(trusted: list[str], secure: object, make_site: MakeSite) -> None:
    site = make_site(admin_password=HASH, trusted_proxies=trusted)
    answer = site.post("/fws/login", {"secret": PASSWORD}, X_Forwarded_Proto="https")
    assert cookie_of(answer)["secure"] == secure


@pytest.mark.parametrize(
    ("environ", "secure"),
    [
        ({"wsgi.url_scheme": "https"}, True),
        ({"HTTP_X_FORWARDED_PROTO": "https", "REMOTE_ADDR": "10.0.0.1"}, True),
        ({"HTTP_X_FORWARDED_PROTO": "https", "REMOTE_ADDR": "192.0.2.1"}, False),
    ],
)
def test_it_works_behind_another_servers_parser(
    environ: dict[str, str], secure: bool, make_site: MakeSite
) -> None:
    site = make_site(admin_password=HASH, trusted_proxies=["10.0.0.0/8"])
    answer = site.app.test_client().post(
        "/fws/login", data={"secret": PASSWORD}, environ_overrides=environ
    )
    assert ("; Secure;" in answer.headers["Set-Cookie"]) is secure


def test_below_a_prefix_its_links_keep_the_prefix(make_site: MakeSite) -> None:
    client = make_site(admin_password=HASH).app.test_client()
    under = {"SCRIPT_NAME": "/app"}
    answer = client.post("/fws/login", data={"secret": PASSWORD}, environ_overrides=under)
    assert "Path=/app/fws/" in answer.headers["Set-Cookie"]
    assert answer.location == "/app/fws/status"
    cookie = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
    seen = client.get(STATUS, environ_overrides=under, headers=cookie)
    assert 'data-live-path="/app/fws/status/live"' in seen.text


@pytest.mark.parametrize("secret", ["", "wrong", PASSWORD + "x", "a.b.c", "x" * 20_000, HASH])
def test_a_wrong_secret_is_an_error_that_does_not_repeat_it(secret: str, guarded: Site) -> None:
    answer = guarded.post("/fws/login", {"secret": secret})
    assert_shut(answer)
    assert b"neither the password nor a token" in answer.body
    assert len(secret) < 5 or secret.encode() not in answer.body


def test_a_token_without_the_scope_does_not_open_it_by_the_form(site: Site) -> None:
    assert_shut(site.post("/fws/login", {"secret": site.token("ada", scope="publish")}))


@pytest.mark.usefixtures("no_time_passes")
def test_after_too_many_attempts_the_right_secret_is_refused_too(guarded: Site) -> None:
    statuses = [guarded.post("/fws/login", {"secret": "wrong"}).status for _ in range(10)]
    assert statuses == [401] * 10
    answer = guarded.post("/fws/login", {"secret": PASSWORD})
    assert answer.status == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 6
    assert b"Too many attempts" in answer.body
    assert "set-cookie" not in answer.headers


@pytest.mark.usefixtures("no_time_passes")
def test_attempts_are_counted_by_the_clients_address(make_site: MakeSite) -> None:
    site = make_site(admin_password=HASH, trusted_proxies=["127.0.0.1"])
    for _ in range(10):
        site.post("/fws/login", {"secret": "wrong"}, X_Forwarded_For="192.0.2.1")
    for address, status in (("192.0.2.1", 429), ("192.0.2.2", 303)):
        answer = site.post("/fws/login", {"secret": PASSWORD}, X_Forwarded_For=address)
        assert answer.status == status


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
@pytest.mark.parametrize("path", ["login", "logout"])
def test_pages_of_other_sites_can_not_log_in_or_out(path: str, origin: str, guarded: Site) -> None:
    answer = guarded.post(f"/fws/{path}", {"secret": PASSWORD}, Origin=origin)
    assert answer.refusal == (403, "access_denied")
    assert "set-cookie" not in answer.headers


def test_a_body_that_is_too_large_is_refused(guarded: Site) -> None:
    answer = guarded.post("/fws/login", {"secret": "x" * 70_000})
    assert answer.refusal == (413, "invalid_request")


def test_the_link_works_once(open_site: Site) -> None:
    link = f"{STATUS}?ticket={open_site.fws._web.admin.link_secret}"
    first = open_site.get(link)
    assert page(open_site, first).status == 200
    second = open_site.get(link)
    assert_shut(second)
    assert b"is wrong, or was used already" in second.body
    # A logged-in user may open the link again.
    cookie = f"fws_status={cookie_of(first).value}"
    assert open_site.get(link, Cookie=cookie).status == 200


def test_head_does_not_use_the_link_up(open_site: Site) -> None:
    link = f"{STATUS}?ticket={open_site.fws._web.admin.link_secret}"
    assert "set-cookie" not in open_site.ask("HEAD", link).headers
    assert page(open_site, open_site.get(link)).status == 200


def test_the_link_is_printed_at_the_start(
    make_site: MakeSite, capfd: pytest.CaptureFixture[str]
) -> None:
    site = make_site(auth="off", signing_key=None)
    printed = re.findall(r"status page \(this link works once\): (\S+)", capfd.readouterr().err)
    secret = site.fws._web.admin.link_secret
    assert printed == [f"{site.origin}{STATUS}?ticket={secret}"]


def test_several_workers_print_the_other_way_to_open_it(
    open_site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    open_site.fws.tokens.several_processes = True
    open_site.fws._web.say_link(f"{open_site.origin}/")
    assert "status page: to open it, set FWS_ADMIN_PASSWORD" in capfd.readouterr().err
    assert b"set FWS_ADMIN_PASSWORD" in open_site.get(STATUS).body


@pytest.mark.parametrize(
    "settings", [{}, {"signing_key": None, "auth": "off", "admin_password": HASH}]
)
def test_with_a_password_or_a_key_there_is_no_link(
    settings: dict[str, str], make_site: MakeSite, capfd: pytest.CaptureFixture[str]
) -> None:
    site = make_site(**settings)
    assert "status page" not in capfd.readouterr().err
    for secret in ("", "rubbish", "None"):
        assert_shut(site.get(f"{STATUS}?ticket={secret}"))


def test_the_form_is_shown_with_a_password_or_a_key(guarded: Site, open_site: Site) -> None:
    assert b'action="/fws/login"' in guarded.get(STATUS).body
    assert b"works once" not in guarded.get(STATUS).body
    assert b"<form" not in open_site.get(STATUS).body
    assert b"works once" in open_site.get(STATUS).body


def test_log_out_ends_the_cookie(guarded: Site) -> None:
    answer = guarded.post("/fws/logout")
    assert (answer.status, answer.headers["location"]) == (303, STATUS)
    cookie = SimpleCookie(answer.headers["set-cookie"])["fws_status"]
    assert (cookie.value, cookie["path"], cookie["max-age"]) == ("", "/fws/", "0")


def test_a_changed_cookie_opens_nothing(guarded: Site) -> None:
    value = cookie_of(guarded.post("/fws/login", {"secret": PASSWORD})).value
    changed = value[:-9] + ("A" if value[-9] != "A" else "B") + value[-8:]
    assert_shut(guarded.get(STATUS, Cookie=f"fws_status={changed}"))


def test_an_expired_cookie_opens_nothing(guarded: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fws_gevent.web.admin.SESSION", -1)
    value = cookie_of(guarded.post("/fws/login", {"secret": PASSWORD})).value
    assert_shut(guarded.get(STATUS, Cookie=f"fws_status={value}"))


def test_a_cookie_ends_with_the_token_at_the_latest(site: Site) -> None:
    cookie = cookie_of(site.post("/fws/login", {"secret": site.token(scope="status", ttl=60)}))
    assert 0 < int(cookie["max-age"]) <= 61
    revoked = site.token(scope="status")
    cookie = cookie_of(site.post("/fws/login", {"secret": revoked}))
    site.fws.revoke(token=revoked)
    assert_shut(site.get(STATUS, Cookie=f"fws_status={cookie.value}"))


def test_after_a_log_out_a_copy_of_the_cookie_opens_nothing(guarded: Site) -> None:
    value = cookie_of(guarded.post("/fws/login", {"secret": PASSWORD})).value
    other = cookie_of(guarded.post("/fws/login", {"secret": PASSWORD})).value
    assert guarded.post("/fws/logout", Cookie=f"fws_status={value}").status == 303
    assert_shut(guarded.get(STATUS, Cookie=f"fws_status={value}"))
    assert guarded.get(STATUS, Cookie=f"fws_status={other}").status == 200


def test_a_log_out_that_can_not_be_stored_is_an_error(
    guarded: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = cookie_of(guarded.post("/fws/login", {"secret": PASSWORD})).value
    monkeypatch.setattr(guarded.fws.tokens, "store", MemoryTokenStore(limit=0))
    answer = guarded.post("/fws/logout", Cookie=f"fws_status={value}")
    assert answer.refusal == (503, "temporarily_unavailable")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("way", ["status", "login"])
def test_pages_have_a_strict_policy_and_are_not_cached(way: str, guarded: Site) -> None:
    answer = guarded.get(STATUS)
    if way == "status":
        answer = page(guarded, guarded.post("/fws/login", {"secret": PASSWORD}))
    policy = dict(
        each.partition(" ")[::2] for each in answer.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    for name in ("script-src", "style-src", "img-src", "connect-src", "form-action"):
        assert policy[name] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    # Not no-referrer: with it browsers post a form with Origin null.
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    # Nothing inline, which that policy would not let run.
    assert not re.search(rb"<style|\son\w+=|\sstyle=|<script(?![^>]+src=)", answer.body)
