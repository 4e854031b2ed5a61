"""The outcome of a request in bytes, in a short form."""

from __future__ import annotations

import contextlib
import re
import socket

from ..clients import frame
from ..raw_http import Answer
from .ways import Site

_FOLLOW_UP = b"GET /follow-up HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_HEAD = re.compile(rb"HTTP/1\.\d (\d{3})[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")


class Conversation:
    """One connection, with the bytes that came back on it, and its end."""

    def __init__(self, client: socket.socket, bodiless: bool) -> None:
        self.client = client
        self.ended = False
        self.answers: list[Answer] = []
        self.rest = b""
        self._bodiless = bodiless

    def send(self, data: bytes) -> None:
        """Send `data`, as far as the server reads it."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.client.sendall(data)

    def read(self) -> None:
        """Read once more; whole answers are moved from `rest` to `answers`."""
        try:
            data = self.client.recv(65536)
        except ConnectionResetError:
            data = b""
        self.ended = not data
        self.rest += data
        while not self.upgraded and (head := _HEAD.match(self.rest)):
            lines = (line.partition(": ") for line in head[2].decode("latin-1").splitlines())
            headers = {name.lower(): value for name, _, value in lines}
            size = 0 if self._bodiless else int(headers.get("content-length", 0))
            if len(self.rest) < head.end() + size and not self.ended:
                return
            self.answers.append(Answer(int(head[1]), headers, b""))
            self.rest = self.rest[head.end() + size :]

    @property
    def upgraded(self) -> bool:
        """Return whether a 101 came, so that frames follow."""
        return bool(self.answers) and self.answers[-1].status == 101

    @property
    def outcome(self) -> str:
        """Return the outcome in the form that handshakes/README.txt explains."""
        statuses = [str(answer.status) for answer in self.answers]
        if self.upgraded and self.ended and self.rest[:1] == b"\x88":
            statuses.append(str(int.from_bytes(self.rest[2:4], "big")))
        elif self.rest and (self.ended or not self.upgraded):
            statuses.append("rubbish")
        return " ".join(statuses) or "none"


def converse(site: Site, request: bytes) -> Conversation:
    """Send a request, and then a message over the WebSocket, or another request."""
    with site.open() as client:
        talk = Conversation(client, request.startswith(b"HEAD "))
        talk.send(request)
        while not talk.answers and not talk.ended:
            talk.read()
        if talk.upgraded:
            talk.send(frame(1, b"hi"))
            while not talk.ended and not talk.rest.endswith(b"\x81\x02hi"):
                talk.read()
            return talk
        talk.send(_FOLLOW_UP)
        while not talk.ended:
            talk.read()
        return talk
