"""A site under test, and requests to it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlencode

from flask import Flask

from fws_gevent import TokenResponse
from fws_gevent.extension import FilteredWebSocket
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.tokens.store import digest
from tests.clients import PATIENCE, Client
from tests.clocks import ShiftedClock
from tests.conftest import Connect

KEY = "0123456789abcdef0123456789abcdef"
FORM = "application/x-www-form-urlencoded"

SECRETS = {"billing": "secret of billing", "a b:c%": "s3cret: of+%", "plain": "secret of plain",
           "paper": "secret of paper"}  # fmt: skip
_RIGHTS: dict[str, dict[str, Any]] = {
    "billing": {"groups": ["room:*", "bills"], "scope": "publish revoke introspect"},
    "a b:c%": {"scope": "publish"},
    "plain": {},
    "paper": {"groups": ["*"], "scope": "publish"},
}
CLIENTS = json.dumps(
    {name: {"secret": f"sha256:{digest(SECRETS[name])}", **rights}
     for name, rights in _RIGHTS.items()}
)  # fmt: skip

Fields = Mapping[str, str] | Sequence[tuple[str, str]]


class Answer(NamedTuple):
    """An answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The JSON of the body."""
        assert self.headers["content-type"] == "application/json", self
        return json.loads(self.body)

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and error code of an answer in the form of RFC 6749 §5.2, which no cache keeps."""
        content = self.json
        assert set(content) == {"error", "error_description"}
        assert content["error_description"]
        assert self.headers["cache-control"] == "no-store"
        return self.status, content["error"]


class Site:
    """A Flask application with the extension, and the server that serves it."""

    def __init__(
        self,
        app: Flask,
        fws: FilteredWebSocket,
        server: FilteredWebSocketServer,
        clock: ShiftedClock,
    ) -> None:
        self.app = app
        self.clock = clock
        self.fws = fws
        self.server = server

    @property
    def port(self) -> int:
        """The port that it listens on."""
        assert self.server.server_port
        return int(self.server.server_port)

    @property
    def origin(self) -> str:
        """The Origin of its own pages."""
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> Answer:
        """Send a request on a new connection."""
        return ask(self.port, method, path, body, headers)

    def get(self, path: str, **headers: str) -> Answer:
        """Send a GET; `_` in the names of headers stands for `-`."""
        return self.ask("GET", path, headers=_named(headers))

    def post(self, path: str, fields: Fields = (), **headers: str) -> Answer:
        """POST a form; `_` in the names of headers stands for `-`."""
        given = {"Content-Type": FORM, **_named(headers)}
        return self.ask("POST", path, urlencode(fields).encode(), given)

    def token(self, subject: str = "ada", *groups: str, scope: str = "", ttl: float = 60) -> str:
        """Return a token of this site."""
        return self.fws.issue_token(subject, groups, scope, ttl)

    def tokens(self, subject: str = "ada", scope: str = "") -> TokenResponse:
        """Return a token and a refresh token of this site."""
        with self.app.test_request_context():
            return self.fws.issue_tokens(subject, ["room:*"], scope)

    def dial(self, connect: Connect, token: str | None = None, path: str = "/ws") -> Client:
        """Open a WebSocket, with a token if one is given."""
        headers = [] if token is None else [f"Authorization: {bearer(token)}"]
        return connect(self.port, path, headers=headers)


def ask(
    port: int,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] = {},
) -> Answer:
    """Send a request to a port of this machine."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, dict(headers))
        got = connection.getresponse()
        named = {name.lower(): value for name, value in got.getheaders()}
        return Answer(got.status, named, got.read())
    finally:
        connection.close()


def basic(client_id: str, secret: str) -> str:
    """Return an Authorization for Basic, with form-encoded parts (RFC 6749 §2.3.1)."""
    coded = urlencode([(client_id, secret)]).replace("=", ":", 1)
    return "Basic " + base64.b64encode(coded.encode()).decode()


def bearer(token: str) -> str:
    """Return an Authorization with a token."""
    return f"Bearer {token}"


def login(name: str = "billing") -> str:
    """Return the Authorization of a known client."""
    return basic(name, SECRETS[name])


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
