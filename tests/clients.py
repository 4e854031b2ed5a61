"""Raw WebSocket clients, and programs in processes of their own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from websockets.utils import apply_mask

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 20.0
"""Seconds after which a test fails if it waits for something immediate."""

_MASK = b"\x12\x34\x56\x78"


class Frame(NamedTuple):
    """A frame from the server."""

    first: int
    payload: bytes

    @property
    def opcode(self) -> int:
        """Return the opcode."""
        return self.first & 0x0F

    @property
    def close(self) -> tuple[int, str]:
        """Return the code and reason of a Close frame."""
        assert self.opcode == 8, self
        return int.from_bytes(self.payload[:2], "big"), self.payload[2:].decode()


def frame(opcode: int, payload: bytes = b"", first: int = 0x80, masked: bool = True) -> bytes:
    """Return a client's frame; `first` has the bits beside the opcode."""
    size = len(payload)
    bit = 0x80 if masked else 0
    if size < 126:
        head = bytes([first | opcode, bit | size])
    elif size < 65536:
        head = bytes([first | opcode, bit | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([first | opcode, bit | 127]) + size.to_bytes(8, "big")
    return head + _MASK + apply_mask(payload, _MASK) if masked else head + payload


def upgrade(port: int, path: str = "/", headers: Sequence[str] = ()) -> bytes:
    """Return an upgrade request."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Client:
    """A WebSocket client on a bare socket; its constructor performs the handshake."""

    def __init__(
        self,
        port: int,
        path: str = "/",
        *,
        headers: Sequence[str] = (),
        early: bytes = b"",
        tls: bool = False,
        receive_buffer: int | None = None,
        on: socket.socket | None = None,
    ) -> None:
        """Open a WebSocket, on a new connection or `on` an existing one."""
        bare = on or socket.socket()
        if receive_buffer is not None:
            bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        bare.settimeout(PATIENCE)
        if on is None:
            bare.connect(("127.0.0.1", port))
        self.socket: socket.socket = _insecure().wrap_socket(bare) if tls else bare
        self._buffer = b""
        self.socket.sendall(upgrade(port, path, headers) + early)
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        self.answer = head.decode("latin-1")
        assert self.answer.startswith("HTTP/1.1 101"), self.answer

    @property
    def port(self) -> int:
        """Return the local port, by which the server identifies this client."""
        return int(self.socket.getsockname()[1])

    def header(self, name: str) -> str | None:
        """Return a header of the 101 answer."""
        found = re.search(rf"^{name}: (.*)$", self.answer, re.MULTILINE | re.IGNORECASE)
        return found[1].strip() if found else None

    def send(self, data: str | bytes) -> None:
        """Send one text or binary message."""
        if isinstance(data, str):
            self.raw(frame(1, data.encode()))
        else:
            self.raw(frame(2, data))

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a Close frame."""
        self.raw(frame(8, code.to_bytes(2, "big") + reason.encode()))

    def frame(self) -> Frame:
        """Return the next frame. Raises ConnectionError at the end of the stream."""
        while (parsed := self._parse()) is None:
            self._more()
        return parsed

    def receive(self) -> str | bytes:
        """Return the next text or binary message, which must be one frame."""
        got = self.frame()
        assert got.first in (0x81, 0x82), got
        return got.payload.decode() if got.opcode == 1 else got.payload

    def at_end(self) -> bool:
        """Return whether the server closes the connection without sending more."""
        try:
            rest = self.socket.recv(65536)
        except ConnectionResetError:
            rest = b""
        assert not self._buffer
        return not rest

    def drop(self) -> None:
        """Close the socket without a Close frame."""
        self.socket.close()

    def _parse(self) -> Frame | None:
        data = self._buffer
        if len(data) < 2:
            return None
        size, start = data[1], 2
        assert size < 128, "a server's frame is masked"
        if size > 125:
            start = 4 if size == 126 else 10
            if len(data) < start:
                return None
            size = int.from_bytes(data[2:start], "big")
        if len(data) < start + size:
            return None
        self._buffer = data[start + size :]
        return Frame(data[0], data[start : start + size])

    def _more(self) -> None:
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError("the server hung up")
        self._buffer += data


def _insecure() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Command:
    """A Python program whose output is collected; `end` stops it, or kills it."""

    def __init__(
        self, *arguments: str, cwd: Path = ROOT, environ: dict[str, str] | None = None
    ) -> None:
        inherited = {name: value for name, value in os.environ.items() if name[:4] != "FWS_"}
        self.process = subprocess.Popen(
            [sys.executable, "-u", *arguments],
            cwd=cwd,
            env={**inherited, "PYTHONPATH": str(ROOT), **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        """Return the output so far, of standard output and standard error."""
        return "".join(self._lines)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until the output matches a pattern, and return the first match."""
        with self._news:
            found = self._news.wait_for(lambda: re.search(pattern, self.output), PATIENCE)
        assert found, f"no {pattern!r} in:\n{self.output}"
        return found

    def port(self) -> int:
        """Return the port that the server logs."""
        return int(self.wait_for(r"serving on wss?://\S+:(\d+)/")[1])

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to the program."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end of the program, and return its exit status."""
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def end(self) -> None:
        """End the program if it still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
            self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        stream: Any = self.process.stdout
        for line in stream:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
