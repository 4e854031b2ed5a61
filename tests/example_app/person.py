"""A user of the example without a browser."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlencode

from ..clients import PATIENCE, Client

FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Content = dict[str, Any]


class Reply(NamedTuple):
    """An answer to an HTTP request."""

    status: int
    headers: dict[str, str]
    text: str


class Person:
    """A user who has logged in with a name."""

    def __init__(self, port: int, name: str) -> None:
        self.port = port
        self.name = name
        self.cookie = ""
        self.client: Client | None = None
        reply = self.post("/login", name=name)
        assert (reply.status, reply.headers["Location"]) == (303, "/"), reply

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Reply:
        """Send a request with the cookie of the session, and keep a new cookie."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, path, body, {"Cookie": self.cookie, **FORM, **headers})
        answer = connection.getresponse()
        reply = Reply(answer.status, dict(answer.getheaders()), answer.read().decode())
        connection.close()
        if "Set-Cookie" in reply.headers:
            self.cookie = reply.headers["Set-Cookie"].partition(";")[0]
        return reply

    def post(self, path: str, **form: str) -> Reply:
        """Post a form as a page of the same origin does."""
        return self.ask("POST", path, urlencode(form), Origin=f"http://127.0.0.1:{self.port}")

    def token(self) -> str:
        """Return a token."""
        reply = self.post("/fws/token")
        assert reply.status == 200, reply
        token: str = json.loads(reply.text)["access_token"]
        return token

    def connect(self) -> None:
        """Open the WebSocket."""
        offer = f"Sec-WebSocket-Protocol: fws, fws.bearer.{self.token()}"
        self.client = Client(self.port, "/ws", headers=[offer])
        assert self.client.header("Sec-WebSocket-Protocol") == "fws"

    def send(self, text: str | bytes) -> None:
        """Send a message unchanged."""
        assert self.client is not None
        self.client.send(text)

    def enter(self, room: str) -> None:
        """Ask to enter a room."""
        self.send(json.dumps({"type": "enter", "room": room}))

    def say(self, text: str) -> None:
        """Say something."""
        self.send(json.dumps({"type": "say", "text": text}))

    def hear(self, kind: str) -> Content:
        """Return the next message of a type, ignoring others."""
        assert self.client is not None
        while True:
            received = json.loads(self.client.receive())
            if received["type"] == kind:
                content: Content = received
                return content

    def see(self, *people: str) -> None:
        """Wait until exactly these people are in the room."""
        while self.hear("people")["people"] != list(people):
            pass

    def drop(self) -> None:
        """Drop the connection without a Close."""
        if self.client is not None:
            self.client.drop()
