"""The token of `flask fws status` and other commands goes to the given address alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fws_gevent.cli.running_server import base_url, checked_url
from fws_gevent.errors import ConfigurationError
from fws_gevent.settings import Settings

from ..flask_commands import SITE, flask, why


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a site."""
    (tmp_path / "site_of_mine.py").write_text(SITE)
    return tmp_path


@contextmanager
def listening(asked: list[str], name: str, to: str = "") -> Iterator[int]:
    """Serve HTTP that redirects to `to`, if given, and adds `name` to `asked`; yield the port."""

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
    assert f"redirects to {to}: give that address with --url" in told
    assert asked == ["here"]


def test_the_address_of_the_settings_is_reached_without_a_proxy(folder: Path) -> None:
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
    assert checked_url(given) == address


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
        "http://127.0.0.1:99999",  # the system would use port 34463
        "ftp://127.0.0.1",
        "file:///etc/hostname",
        "http://ada:secret@127.0.0.1:9000",
        "http://127.0.0.1:9000?x=1",
        "http://127.0.0.1:9000/#x",
        "http://two words",
        "http://127.0.0.1\n:9000",
    ],
)
def test_a_text_that_is_not_an_address_is_refused_and_not_repeated(given: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^--url must look like http://127") as caught:
        checked_url(given)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("127.0.0.1", "http://127.0.0.1:9000"),
        ("chat.example", "http://chat.example:9000"),
        ("::1", "http://[::1]:9000"),
        ("0.0.0.0", "http://127.0.0.1:9000"),
        ("::", "http://[::1]:9000"),
    ],
)
def test_a_running_server_is_asked_where_this_machine_reaches_it(host: str, base: str) -> None:
    assert base_url(Settings(host=host)) == base
    assert base_url(Settings(host=host, key="k", cert="c")) == base.replace("http", "https")


def test_for_a_socket_file_the_url_must_be_given() -> None:
    with pytest.raises(ConfigurationError, match="give --url"):
        base_url(Settings(host="unix:/run/fws.sock"))


def test_revoke_takes_a_subject_or_an_id_and_not_both(folder: Path) -> None:
    told = why(flask(folder, "revoke", "--subject", "ada", "--jti", "x"))
    assert told == "--subject and --jti exclude each other: give one"
