"""Hostile and broken clients, and a bystander that must not notice them."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import re
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent

from ..clients import PATIENCE, Client, frame
from .ways import Site

MIB = 1 << 20

_ATTACH_FILTER, _DETACH_FILTER = 26, 27  # of Linux's SOL_SOCKET; `socket` has no names for them
_DROP_ALL = struct.pack("HBBI", 6, 0, 0, 0)  # a packet filter of one instruction, which drops all


def peak(site: Site) -> int:
    """Return the most bytes of memory that the process ever held."""
    status = Path(f"/proc/{site.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


class Bystander:
    """A harmless client, which is answered in order and stays, whatever happens.

    It opens its connection before the attack. The filters must echo.
    """

    def __init__(self, site: Site, **more: Any) -> None:
        self._client = site.client(**more)
        self._numbers = itertools.count()
        self.ask()

    def ask(self) -> None:
        """Send a text and receive it."""
        text = f"are you there? {next(self._numbers)}"
        assert self.say(text) == text

    def say(self, text: str) -> str:
        """Send a text and return the answer; answer a Ping before it."""
        self._client.send(text)
        while (got := self._client.frame()).opcode == 9:
            self._client.raw(frame(10, got.payload))
        assert got.first == 0x81, got
        return got.payload.decode()

    def ask_until(self, condition: Callable[[], object]) -> None:
        """Ask repeatedly until `condition` holds."""
        with gevent.Timeout(PATIENCE):
            self.ask()
            while not condition():
                self.ask()


class Flood:
    """Sends the same bytes repeatedly, in the background, until the server takes no more."""

    def __init__(self, client: Client, data: bytes, times: int | None = None) -> None:
        self._client, self._data = client, data
        self._times = itertools.count() if times is None else range(times)
        self._greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        with contextlib.suppress(ConnectionError):
            for _ in self._times:
                self._client.raw(self._data)

    @property
    def over(self) -> bool:
        """Return whether all was sent, or the connection was cut off."""
        return bool(self._greenlet.dead)

    def __enter__(self) -> Flood:
        return self

    def __exit__(self, *_: object) -> None:
        self._greenlet.kill()


class Reader:
    """Reads frames from a client, faster than the client itself does."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._buffer = bytearray(client._buffer)
        client._buffer = b""

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield the opcodes and payloads of frames, to the end of the stream."""
        buffer, position = self._buffer, 0
        while True:
            whole = _whole(buffer, position)
            if whole is not None:
                start, end = whole
                assert buffer[position] & 0xF0 == 0x80, "not a whole, uncompressed message"
                opcode = buffer[position] & 0x0F
                position = end
                yield opcode, bytes(memoryview(buffer)[start:end])
                continue
            del buffer[:position]
            position = 0
            data = self._client.socket.recv(MIB)
            if not data:
                assert not buffer, "the stream ends within a frame"
                return
            buffer += data


def _whole(buffer: bytearray, position: int) -> tuple[int, int] | None:
    """Return the begin and end of the next frame's payload, if all of it is here."""
    here = len(buffer) - position
    if here < 2:
        return None
    size, start = buffer[position + 1], position + 2
    assert size < 128, "a server's frame is masked"
    if size > 125:
        start += 2 if size == 126 else 8
        size = int.from_bytes(buffer[position + 2 : start], "big")
        if here < start - position:
            return None
    end = start + size
    return (start, end) if end <= len(buffer) else None


def black_hole(bare: socket.socket) -> None:
    """Have the kernel drop all packets for a socket, so that it vanishes for its peer."""
    program = ctypes.create_string_buffer(_DROP_ALL)
    bare.setsockopt(
        socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(program))
    )


def come_back(bare: socket.socket) -> None:
    """Let a vanished socket receive packets again."""
    bare.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, 0)
