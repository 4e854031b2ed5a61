"""The client's half of the protocol, as far as a load needs it, on non-blocking sockets."""

from __future__ import annotations

import select
import socket
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha1

HOST = "127.0.0.1"
PATIENCE = 10.0
"""Seconds without progress after which the server counts as stuck."""

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
BUFFER_SIZE = 256 * 1024

_KEY = "ZnVuIHdpdGggZmlsdGVycw=="
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MASK = b"\x5a\xc3\x17\x9e"
_AT_ONCE = 64  # handshakes


class LoadError(Exception):
    """Raised if the server broke the protocol, or didn't answer."""


def plain_frame(opcode: int, payload: bytes) -> bytes:
    """Return a frame as a server sends it."""
    return _head(opcode, len(payload), 0) + payload


def masked_frame(opcode: int, payload: bytes) -> bytes:
    """Return a frame as a client sends it."""
    size = len(payload)
    mask = (_MASK * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")
    return _head(opcode, size, 0x80) + _MASK + masked.to_bytes(size, "big")


def _head(opcode: int, size: int, masked: int) -> bytes:
    if size < 126:
        return bytes((0x80 | opcode, masked | size))
    if size < 65536:
        return bytes((0x80 | opcode, masked | 126)) + size.to_bytes(2, "big")
    return bytes((0x80 | opcode, masked | 127)) + size.to_bytes(8, "big")


def open_sockets(port: int, path: str, count: int) -> list[socket.socket]:
    """Yield upgraded connections, still blocking. Raises LoadError."""
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {_KEY}\r\n\r\n"
    ).encode()
    opened: list[socket.socket] = []
    try:
        while len(opened) < count:
            batch = range(min(_AT_ONCE, count - len(opened)))
            fresh = [socket.create_connection((HOST, port), PATIENCE) for _ in batch]
            opened += fresh
            for each in fresh:
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                each.sendall(request)
            for each in fresh:
                _read_answer(each)
    except OSError as error:
        raise LoadError(f"connection {len(opened) + 1} of {count}: {error}") from None
    return opened


def _read_answer(connection: socket.socket) -> None:
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(4096)
        if not piece:
            raise LoadError("the server closed a connection instead of upgrading it")
        answer += piece
    head, _, rest = answer.partition(b"\r\n\r\n")
    status = head.split(b"\r\n")[0].decode("latin-1")
    accept = b64encode(sha1((_KEY + _GUID).encode()).digest())
    if not status.startswith("HTTP/1.1 101 ") or accept not in head or rest:
        raise LoadError(f"the server didn't upgrade a connection: {status}")


def expect(connection: socket.socket, answer: bytes) -> None:
    """Read exactly `answer` from a blocking connection. Raises LoadError."""
    got = b""
    try:
        while len(got) < len(answer):
            piece = connection.recv(len(answer) - len(got))
            if not piece:
                raise LoadError("the server closed a connection instead of answering")
            got += piece
    except OSError as error:
        raise LoadError(f"no answer to a first message: {error}") from None
    if got != answer:
        raise LoadError("the server answered a first message wrongly")


class Sockets:
    """Non-blocking connections on one epoll; data that the kernel refuses is sent later."""

    def __init__(self, connections: Iterable[socket.socket]) -> None:
        self.epoll = select.epoll()
        self.by_descriptor = {each.fileno(): each for each in connections}
        self.buffer = bytearray(BUFFER_SIZE)
        self._unsent: dict[int, memoryview] = {}
        for descriptor, each in self.by_descriptor.items():
            each.setblocking(False)
            self.epoll.register(descriptor, select.EPOLLIN)

    def poll(self, seconds: float) -> list[int]:
        """Return the readable connections; write to the writable ones.

        Raises LoadError if nothing happens for all of `PATIENCE`.
        """
        events = self.epoll.poll(min(seconds, PATIENCE), len(self.by_descriptor))
        if not events and seconds >= PATIENCE:
            raise LoadError(f"the server did nothing for {PATIENCE:g} s")
        if self._unsent:
            for descriptor, mask in events:
                if mask & select.EPOLLOUT:
                    self._send_rest(descriptor)
            return [descriptor for descriptor, mask in events if mask != select.EPOLLOUT]
        return [descriptor for descriptor, _ in events]

    def read(self, descriptor: int) -> int:
        """Read into `buffer`, and return the number of bytes. Raises LoadError at the end."""
        try:
            size = self.by_descriptor[descriptor].recv_into(self.buffer)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise LoadError(f"a connection broke: {error}") from None
        if not size:
            raise LoadError("the server closed a connection")
        return size

    def send(self, descriptor: int, data: bytes) -> None:
        """Send `data`, a part of it possibly later. Raises LoadError."""
        if descriptor in self._unsent:
            self._unsent[descriptor] = memoryview(bytes(self._unsent[descriptor]) + data)
            return
        sent = self._try(descriptor, data)
        if sent < len(data):
            self._unsent[descriptor] = memoryview(data)[sent:]
            self.epoll.modify(descriptor, select.EPOLLIN | select.EPOLLOUT)

    def _send_rest(self, descriptor: int) -> None:
        rest = self._unsent[descriptor]
        sent = self._try(descriptor, rest)
        if sent < len(rest):
            self._unsent[descriptor] = rest[sent:]
        else:
            del self._unsent[descriptor]
            self.epoll.modify(descriptor, select.EPOLLIN)

    def _try(self, descriptor: int, data: bytes | memoryview) -> int:
        try:
            return self.by_descriptor[descriptor].send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise LoadError(f"a connection broke: {error}") from None
