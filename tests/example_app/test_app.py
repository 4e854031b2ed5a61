"""The views of the Flask application, for browsers and for pages of other sites."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from example_app.app import CONTENT_SECURITY_POLICY, create_app
from fws_gevent.errors import ConfigurationError

from ..clients import Command
from ..conftest import Start
from .conftest import SCRIPT, Meet


@pytest.fixture
def client() -> FlaskClient:
    """Return a client of the views, without WebSockets."""
    return create_app({"FWS_SIGNING_KEY": "k" * 32}).test_client()


def test_without_a_log_in_the_chat_redirects_to_the_form(client: FlaskClient) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.location) == (303, "/login")
    form = client.get("/login").text
    assert "This example has no passwords" in form
    assert "Ada and Grace" in form


def test_the_chat_is_shown_from_log_in_to_log_out(client: FlaskClient) -> None:
    answer = client.post("/login", data={"name": "  Ada \t L. "})
    assert (answer.status_code, answer.location) == (303, "/")
    assert 'data-name="Ada L."' in client.get("/").text
    assert client.get("/login").location == "/"
    assert client.post("/logout").location == "/login"
    assert client.get("/").location == "/login"
    assert client.post("/logout").location == "/login"


@pytest.mark.parametrize("name", ["", "  ", "x" * 41, "a\0b", "a\u202eb", "\ufdd0"])
def test_names_that_can_not_be_shown_are_refused(name: str, client: FlaskClient) -> None:
    answer = client.post("/login", data={"name": name})
    assert answer.status_code == 400
    assert 'aria-invalid="true"' in answer.text
    assert "Set-Cookie" not in answer.headers


def test_a_name_is_escaped(client: FlaskClient) -> None:
    client.post("/login", data={"name": "\"'><script>1</script>"})
    page = client.get("/").text
    assert "<script>1" not in page
    assert "&lt;script&gt;1" in page


@pytest.mark.parametrize("path", ["/login", "/logout", "/announce"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil", "x"])
def test_posts_from_other_sites_are_refused(path: str, origin: str, client: FlaskClient) -> None:
    client.post("/login", data={"name": "Ada"})
    answer = client.post(path, data={"name": "Eve", "text": "x"}, headers={"Origin": origin})
    assert answer.status_code == 403
    assert 'data-name="Ada"' in client.get("/").text


def test_scripts_and_other_sites_do_not_get_the_cookie(client: FlaskClient) -> None:
    cookie = client.post("/login", data={"name": "Ada"}).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_a_token_contains_the_name_and_the_open_rooms(client: FlaskClient) -> None:
    assert client.post("/fws/token").status_code == 401
    for name, rooms in (("Ada", ["lobby", "garden", "staff"]), ("ada", ["lobby", "garden"])):
        client.post("/login", data={"name": name})
        token = client.post("/fws/token").get_json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        claims = client.post("/fws/introspect", data={"token": token}, headers=headers).get_json()
        assert claims["sub"] == name
        assert claims["groups"] == [f"room:{room}" for room in rooms]


@pytest.mark.parametrize("path", ["/", "/login", "/static/chat.js", "/fws/status", "/missing"])
def test_every_answer_is_safe_to_show(path: str, client: FlaskClient) -> None:
    with client.get(path) as answer:
        headers = answer.headers
    assert headers.getlist("Content-Security-Policy") == [CONTENT_SECURITY_POLICY]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert len(headers.getlist("Referrer-Policy")) == 1
    kept = "no-cache" if path.startswith("/static/") else "no-store"
    assert headers.getlist("Cache-Control") == [kept]


def test_an_announcement_reaches_all_rooms(port: int, meet: Meet) -> None:
    people = [meet(port, "Ada", "staff"), meet(port, "Linus", "garden"), meet(port, "Eve", None)]
    assert people[1].post("/announce", text=" Tea is ready. ").status == 204
    for each in people:
        heard = {"type": "announcement", "name": "Linus", "text": "Tea is ready."}
        assert each.hear("announcement") == heard


@pytest.mark.parametrize("text", ["", "  ", "x" * 201])
def test_the_length_of_an_announcement_is_limited(text: str, client: FlaskClient) -> None:
    client.post("/login", data={"name": "Ada"})
    answer = client.post("/announce", data={"text": text})
    assert (answer.status_code, answer.text) == (400, "An announcement has 1 to 200 characters.")


def test_an_announcement_needs_a_log_in(client: FlaskClient) -> None:
    assert client.post("/announce", data={"text": "x"}).status_code == 401


def test_log_out_ends_only_the_connections_of_that_name(port: int, meet: Meet) -> None:
    one, other, linus = meet(port, "Ada"), meet(port, "Ada"), meet(port, "Linus")
    linus.see("Ada", "Linus")
    one.post("/logout")
    for each in (one, other):
        assert each.client is not None
        while (frame := each.client.frame()).opcode != 8:
            pass
        assert frame.close == (4401, "logged out")
        each.client.close(4401)
    linus.see("Linus")
    assert one.post("/fws/token").status == 401


def test_arrivals_are_counted_in_the_log(server: Command, meet: Meet) -> None:
    for name in ("Ada", "Linus"):
        meet(server.port(), name)
    server.wait_for(r"arrival 1: Ada\n(.*\n)*.*arrival 2: Linus\n")


def test_two_applications_in_one_process_have_sessions_and_tokens_of_their_own() -> None:
    one, other = (create_app({"FWS_SIGNING_KEY": key * 32}).test_client() for key in "ab")
    one.post("/login", data={"name": "Ada"})
    other.post("/login", data={"name": "Linus"})
    assert 'data-name="Ada"' in one.get("/").text
    assert 'data-name="Linus"' in other.get("/").text
    token = one.post("/fws/token").get_json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert one.post("/fws/introspect", data={"token": token}, headers=headers).status_code == 200
    assert other.post("/fws/introspect", data={"token": token}, headers=headers).status_code == 401
    for client in (one, other):
        assert client.post("/announce", data={"text": "x"}).status_code == 204
        assert client.post("/logout").status_code == 303


def test_secrets_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SECRET_KEY", "s" * 32)
    monkeypatch.setenv("FWS_SIGNING_KEY", "k" * 32)
    with caplog.at_level(logging.INFO, "fws_gevent"):
        app = create_app()
    assert app.secret_key == "s" * 32
    assert "FWS_SIGNING_KEY" not in app.config
    assert app.test_client().post("/login", data={"name": "Ada"}).status_code == 303


def test_a_session_outlives_the_server_if_the_key_does(start: Start, meet: Meet) -> None:
    environ = {"SECRET_KEY": "s" * 32, "FWS_SIGNING_KEY": "k" * 32}
    run: Callable[[], Command] = lambda: start(SCRIPT, "-p", "0", environ=environ)  # noqa: E731
    first, second = run(), run()
    ada = meet(first.port(), "Ada")
    ada.drop()
    ada.port = second.port()
    ada.connect()
    ada.enter("lobby")
    ada.see("Ada")
    assert "SECRET_KEY" not in first.output


def test_missing_secrets_are_logged_with_their_consequence(server: Command) -> None:
    server.wait_for(
        r"WARNING SECRET_KEY not set: random values are used, and log-ins end with this process\n"
    )
    server.wait_for(r"WARNING no signing key: ")


def test_a_wrong_setting_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="did you mean FWS_PATH"):
        create_app({"FWS_PAHT": "/x"})
