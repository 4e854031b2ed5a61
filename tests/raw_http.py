"""Send HTTP requests as raw bytes, and read answers to the end."""

from __future__ import annotations

import contextlib
import re
import socket
from typing import NamedTuple

from fws_gevent.server import FilteredWebSocketServer

from .clients import PATIENCE

_HEAD = re.compile(rb"HTTP/1\.1 (\d{3})[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")


class Answer(NamedTuple):
    """One answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def request(line: str = "GET / HTTP/1.1", *headers: str, host: str | None = "localhost") -> bytes:
    """Return a request without a body; headers are sent unchanged, also invalid ones."""
    lines = [line, *([f"Host: {host}"] if host is not None else []), *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def open_socket(server: FilteredWebSocketServer | int) -> socket.socket:
    """Return a connection to a server of this process, or to a port of another."""
    port = server if isinstance(server, int) else server.server_port
    return socket.create_connection(("127.0.0.1", port), PATIENCE)


def exchange(server: FilteredWebSocketServer | int, data: bytes) -> list[Answer]:
    """Send `data`, read until the server closes the connection, and return the answers."""
    with open_socket(server) as client:
        # The server may have answered and closed before everything was sent.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(data)
        return parse(read_to_end(client))


def read_to_end(client: socket.socket) -> bytes:
    """Return all bytes until the server closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := client.recv(65536):
            received += data
    return received


def parse(received: bytes) -> list[Answer]:
    """Split a stream into answers, each with a Content-Length."""
    answers = []
    while received:
        head = _HEAD.match(received)
        assert head, received
        lines = head[2].decode("latin-1").splitlines()
        headers = {
            name.lower(): value for name, _, value in (each.partition(": ") for each in lines)
        }
        end = head.end() + int(headers.get("content-length", 0))
        answers.append(Answer(int(head[1]), headers, received[head.end() : end]))
        received = received[end:]
    return answers
