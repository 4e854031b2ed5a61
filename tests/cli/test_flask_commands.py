"""`flask fws …` serves an application, and controls a server that `flask fws run` started."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.security import check_password_hash

from fws_gevent.tokens.clients import TokenClients

from ..clients import Command
from ..conftest import Connect, Start
from ..flask_commands import SITE, flask, why
from ..flask_sites import get
from ..node.guarded import bearer, greeted
from ..raw_http import exchange, request
from ..tokens.issuing import OTHER_SECRET, SECRET, service
from ..waiting import free_port


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the site."""
    made = tmp_path_factory.mktemp("site")
    (made / "site_of_mine.py").write_text(SITE)
    (made / "bare.py").write_text("from flask import Flask\napp = Flask('bare')\n")
    (made / "wrong.py").write_text(SITE.replace('"required"', '"perhaps"'))
    (made / "open_to_all.py").write_text(SITE.replace(f'FWS_SIGNING_KEY="{SECRET}", ', ""))
    return made


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    """Yield the port of a running server."""
    command = Command("-m", "flask", "--app", "site_of_mine", "fws", "run", "-p", "0", cwd=folder)
    try:
        yield command.port()
    finally:
        command.end()


@pytest.fixture
def url(port: int) -> str:
    return f"--url=http://127.0.0.1:{port}"


# run


def test_run_serves_the_application_with_its_websockets(port: int, connect: Connect) -> None:
    assert get(port, "/").body == "the page"
    client = connect(port, "/ws", headers=bearer(service().issue("ada")))
    client.send("hello")
    assert client.receive() == "hello"
    (answer,) = exchange(port, request("GET /fws/healthz HTTP/1.1", "Connection: close"))
    assert answer.body == b"ok\n"


@pytest.mark.parametrize(
    ("by", "environ"),
    [("wsgi", {}), ("app", {"FWS_PATH": "/other"}), ("other", {"FLASK_APP": "other:app"})],
)
def test_run_finds_the_application_as_flask_does_and_takes_the_servers_flags(
    by: str, environ: dict[str, str], start: Start, tmp_path: Path, connect: Connect
) -> None:
    (tmp_path / f"{by}.py").write_text(SITE)
    flags = ["-p", "0", "--path", "/sockets", "--auth", "off"]
    command = start("-m", "flask", "fws", "run", *flags, cwd=tmp_path, environ=environ)
    greeted(connect(command.port(), "/sockets"))
    command.signal()
    assert command.wait() == 0
    assert "Traceback" not in command.output


def test_run_without_an_application_says_how_to_name_one(tmp_path: Path) -> None:
    assert why(flask(tmp_path, "run", app=None)).startswith("no application is named")


def test_run_complains_in_one_line(folder: Path) -> None:
    for app, arguments, says in (
        ("bare", (), "bare has no WebSockets"),
        ("wrong", (), "FWS_AUTH in app.config must"),
        ("nowhere", (), "--app nowhere: Could not import 'nowhere'"),
        ("site_of_mine", ("--prot", "1"), "--prot"),
        ("open_to_all", ("--host", "0.0.0.0"), "FWS_SIGNING_KEY"),
    ):
        done = flask(folder, "run", "-p", "0", *arguments, app=app)
        assert done.status == 2
        assert done.out == ""
        assert done.err.count("\n") == 1, done.err
        assert done.err.startswith("fws_server: error: ")
        assert says in done.err


def test_run_help_is_the_servers(folder: Path) -> None:
    done = flask(folder, "run", "--help")
    assert done.status == 0
    assert "--max_queue" in done.out


# token, publish, revoke, status


def test_token_prints_a_token_that_the_server_takes(
    folder: Path, port: int, connect: Connect
) -> None:
    done = flask(folder, "token", "ada", "--group", "room:*", "--group", "x", "--scope", "b a",
                 "--ttl", "60")  # fmt: skip
    assert (done.status, done.err) == (0, "")
    claims = service().verify(done.out.strip())
    assert (claims.subject, claims.groups, claims["scope"]) == ("ada", ("room:*", "x"), "b a")
    assert 60 <= claims.expires_at - claims["iat"] <= 61
    greeted(connect(port, "/ws", headers=bearer(done.out.strip())))


def test_token_complains_in_one_line(folder: Path) -> None:
    assert "a token lives for more than 0" in why(flask(folder, "token", "ada", "--ttl", "0"))
    assert "subject" in why(flask(folder, "token", ""))
    for command in (("token", "ada"), ("publish", "x"), ("status",), ("revoke", "--jti", "x")):
        told = why(flask(folder, *command, app="open_to_all"))
        assert told.startswith("there is no key that signs tokens; set FWS_SIGNING_KEY"), told
    assert "bare has no WebSockets" in why(flask(folder, "token", "ada", app="bare"))


def test_publish_reaches_all_clients_or_a_group(
    folder: Path, port: int, url: str, connect: Connect
) -> None:
    one, two = (
        greeted(connect(port, "/ws", headers=bearer(service().issue(name, ["news"]))))
        for name in ("one", "two")
    )
    one.send("join news")
    assert one.receive() == "join news"
    assert flask(folder, "publish", "extra", "--group", "news", url) == (0, "sent\n", "")
    assert flask(folder, "publish", "to all, é", url) == (0, "sent\n", "")
    assert [one.receive(), one.receive()] == ["extra", "to all, é"]
    assert two.receive() == "to all, é"


def test_publish_goes_over_http_where_the_storage_is_shared_without_redis(folder: Path) -> None:
    (folder / "shared_elsewhere.py").write_text(
        SITE.replace("(app)", "(app, storage_object=Elsewhere())").replace(
            "class Talk",
            "from fws_gevent.storage import MemoryStorageObject\n"
            "class Elsewhere(MemoryStorageObject):\n    shared = True\n\nclass Talk",
        )
    )
    done = flask(folder, "publish", "x", app="shared_elsewhere", FWS_PORT=str(free_port()))
    assert why(done).startswith("can't reach http://127.0.0.1:")


def test_a_wrong_name_of_a_group_is_an_error_of_one_line(folder: Path, url: str) -> None:
    for arguments in (
        ("publish", "hello", "--group", "", url),
        ("token", "ada", "--group", "a" * 256),
        ("client", "billing", "--group", "two\nlines"),
    ):
        assert why(flask(folder, *arguments)).startswith("a group's name")


def test_revoke_ends_the_connections_of_a_token_an_id_or_a_subject(
    folder: Path, port: int, url: str, connect: Connect
) -> None:
    tokens = service()
    made = [tokens.issue(subject) for subject in ("ada", "bob", "cy")]
    clients = [greeted(connect(port, "/ws", headers=bearer(token))) for token in made]
    given: tuple[tuple[list[str], str], ...] = (
        ([], f" {made[0]}\n"),
        (["--jti", tokens.verify(made[1]).token_id], ""),
        (["--subject", "cy"], ""),
    )
    for client, (arguments, stdin) in zip(clients, given, strict=True):
        greeted(client)
        assert flask(folder, "revoke", *arguments, url, stdin=stdin) == (0, "revoked\n", "")
        assert client.frame().close == (4401, "the token was revoked")
    assert "one of token, subject and jti" in why(flask(folder, "revoke", url))


def test_status_shows_the_state_of_the_server(
    folder: Path, port: int, url: str, connect: Connect
) -> None:
    client = connect(port, "/ws", headers=bearer(service().issue("ada")))
    client.send("hello")
    client.receive()
    done = flask(folder, "status", url)
    assert (done.status, done.err) == (0, "")
    assert ": serving for " in done.out
    assert "auth: required" in done.out
    assert "message: site_of_mine.Talk: " in done.out
    found = json.loads(flask(folder, "status", "--json", url).out)
    assert found["connections"]["now"] >= 1
    assert found["auth"] == "required"


def test_a_server_that_does_not_answer_as_expected_is_an_error_of_one_line(
    folder: Path, port: int, url: str
) -> None:
    for given, says in (
        ("http://127.0.0.1:1", "can't reach http://127.0.0.1:1: "),
        ("127.0.0.1:1", "--url must look like http://"),
        (f"http://127.0.0.1:{port}/elsewhere", "answers 404"),
    ):
        assert says in why(flask(folder, "status", "--url", given))
    (folder / "wrong_key.py").write_text(SITE.replace(SECRET, OTHER_SECRET))
    told = why(flask(folder, "status", url, app="wrong_key"))
    assert "answers 401: the token's signature doesn't fit" in told


# check, hash, client


def test_check_shows_chains_and_settings_and_hides_secrets(folder: Path) -> None:
    hashed = flask(folder, "hash", stdin="a password\n").out.strip()
    done = flask(folder, "check", FWS_ADMIN_PASSWORD=hashed, FWS_MAX_QUEUE="1234")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert "chain message: site_of_mine.Talk" in lines
    assert "chain connect: -" in lines
    for line in ("FWS_AUTH=required", "FWS_GRACE=2.0", "FWS_PATH=/ws", "FWS_MAX_QUEUE=1234",
                 "FWS_SIGNING_KEY=(hidden)", "FWS_ADMIN_PASSWORD=(hidden)",
                 "FWS_KEY="):  # fmt: skip
        assert line in lines, done.out
    assert SECRET not in done.out
    assert hashed not in done.out


def test_check_fails_for_wrong_settings(folder: Path) -> None:
    assert "FWS_AUTH" in why(flask(folder, "check", app="wrong"))
    assert "FWS_PROT" in why(flask(folder, "check", FWS_PROT="1"))
    assert "FWS_PORT" in why(flask(folder, "check", FWS_PORT="many"))
    assert "no_such" in why(flask(folder, "check", FWS_FILTERS="no_such"))
    assert "bare has no WebSockets" in why(flask(folder, "check", app="bare"))
    done = flask(folder, "check", app="open_to_all")
    assert done.status == 0
    assert done.out.startswith("warning: no signing key")


def test_check_fails_where_the_start_would(folder: Path) -> None:
    assert "can't listen on 192.0.2.1" in why(flask(folder, "check", FWS_HOST="192.0.2.1"))
    open_to_all = flask(folder, "check", app="open_to_all", FWS_HOST="0.0.0.0")
    assert "needs a signing key" in why(open_to_all)
    files = {"FWS_KEY": "/nowhere/key.pem", "FWS_CERT": "/nowhere/cert.pem"}
    assert "can't read -key /nowhere" in why(flask(folder, "check", **files))


def test_hash_prints_a_hash_that_the_setting_takes(folder: Path) -> None:
    done = flask(folder, "hash", stdin="pass word\n", app=None)
    assert (done.status, done.err) == (0, "")
    assert check_password_hash(done.out.strip(), "pass word")
    assert why(flask(folder, "hash", stdin="\n", app=None)) == "the password is empty: enter one"


def test_client_makes_an_entry_whose_secret_is_shown_apart(folder: Path, tmp_path: Path) -> None:
    done = flask(folder, "client", "billing", "--group", "room:*", "--scope", "publish", app=None)
    assert done.status == 0
    secret = done.err.strip().removeprefix("secret (shown once): ")
    assert secret not in done.out
    file = tmp_path / "clients.json"
    file.write_text(done.out)
    found = TokenClients.from_file(str(file)).authenticate("billing", secret)
    assert found is not None
    assert (found.groups, found.scope) == (("room:*",), "publish")
