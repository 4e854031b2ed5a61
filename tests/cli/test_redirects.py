"""The token of `flask fws status` and its like goes to the address that is meant, and no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fws_gevent.cli.flask_commands import _checked

from ..flask_commands import SITE, flask, why


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a site is."""
    (tmp_path / "site_of_mine.py").write_text(SITE)
    return tmp_path


@contextmanager
def listening(asked: list[str], name: str, to: str = "") -> Iterator[int]:
    """Serve HTTP that sends on to `to`, if given, and puts `name` into `asked`; the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(name)
            self.send_response(302 if to else 200)
            self.send_header("Location", to)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            serving.join()


@pytest.mark.parametrize("command", [("status",), ("publish", "hello"), ("revoke", "--jti", "x")])
def test_no_redirect_is_followed_with_a_token(folder: Path, command: tuple[str, ...]) -> None:
    asked: list[str] = []
    with listening(asked, "there") as there:
        to = f"http://127.0.0.1:{there}/x"
        with listening(asked, "here", to) as here:
            told = why(flask(folder, *command, "--url", f"http://127.0.0.1:{here}"))
    assert f"answers 302, for {to}; give --url the address it has now" in told
    assert asked == ["here"]


def test_no_proxy_is_asked_for_what_the_settings_name(folder: Path) -> None:
    asked: list[str] = []
    with listening(asked, "proxy") as port:
        proxy = f"http://127.0.0.1:{port}"
        done = flask(folder, "status", FWS_PORT="1", http_proxy=proxy, no_proxy="")
        assert "can't reach http://127.0.0.1:1: " in why(done)
        flask(folder, "status", "--url", "http://127.0.0.1:1", http_proxy=proxy, no_proxy="")
    assert asked == ["proxy"]


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("HTTPS://App.example.com//", "HTTPS://App.example.com"),
        ("http://[::1]:80/chat/", "http://[::1]:80/chat"),
    ],
)
def test_an_address_is_taken_with_its_path(given: str, address: str) -> None:
    assert _checked(given) == address


@pytest.mark.parametrize(
    "given",
    [
        "",
        "nonsense",
        "127.0.0.1:9000",
        "http://",
        "http://:9000",
        "http://[::1",
        "http://127.0.0.1:port",
        "http://127.0.0.1:0",
        "http://127.0.0.1:99999",  # which the system would take for port 34463
        "ftp://127.0.0.1",
        "file:///etc/hostname",
        "http://ada:secret@127.0.0.1:9000",
        "http://127.0.0.1:9000?x=1",
        "http://127.0.0.1:9000/#x",
        "http://two words",
        "http://127.0.0.1\n:9000",
    ],
)
def test_what_is_no_address_is_refused_in_one_line_that_does_not_repeat_it(
    given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        _checked(given)
    told = capsys.readouterr().err
    assert told.startswith("flask fws: error: --url must look like http://127.0.0.1:9000 or ")
    assert told.count("\n") == 1
    assert "secret" not in told


def test_revoke_takes_a_subject_or_an_id_and_not_both(folder: Path) -> None:
    told = why(flask(folder, "revoke", "--subject", "ada", "--jti", "x"))
    assert told == "--subject and --jti are two things: give one"
