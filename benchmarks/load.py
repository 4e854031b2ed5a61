"""A load client for one server on this machine: echo, fan-out, or idle connections."""

from __future__ import annotations

import argparse
import gc
import json
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

from usage import cpu_seconds, resident_kib
from wire import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    LoadError,
    Sockets,
    expect,
    masked_frame,
    open_sockets,
    plain_frame,
)

MAX_CONNECTIONS = 10_000
MAX_BYTES = 1 << 20
MAX_WINDOW = 256
MAX_SECONDS = 60.0
MARGIN = 60
"""Seconds that opening and closing may take in addition to the load."""
WARM_UP = 0.3
"""Seconds of load before the measurement begins."""

FIRST = 50
"""Connections opened before the memory of the idle ones is measured.

The first connections of a server include the cost of memory that it reserves once."""


@dataclass
class Load:
    """The load to produce, within the bounds above."""

    port: int
    pid: int
    connections: int
    size: int
    window: int
    seconds: float


@dataclass
class Traffic:
    """The result of echo and fan-out; a fanned-out message counts once for each receiver."""

    messages: int
    seconds: float
    cpu_seconds: float
    cpu_us_per_message: float


@dataclass
class Memory:
    """The result of idle connections, in KiB."""

    connections: int
    rss_before: int
    rss_after: int
    kib_per_connection: float


class Meter:
    """Mark the beginning and the end of the measurement while the load continues."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._begin = monotonic() + WARM_UP
        self._first: tuple[float, float, int] | None = None

    def running(self, received: int) -> bool:
        """Return whether to continue; `received` counts the bytes of answers so far."""
        now = monotonic()
        if self._first is None:
            if now >= self._begin:
                self._first = (now, cpu_seconds(self._load.pid), received)
            return True
        return now < self._first[0] + self._load.seconds

    def result(self, received: int, answer_size: int) -> Traffic:
        """Return the result. Raises LoadError if nothing was measured."""
        assert self._first is not None
        began, cpu, before = self._first
        seconds = monotonic() - began
        spent = cpu_seconds(self._load.pid) - cpu
        messages = (received - before) // answer_size
        if not messages:
            raise LoadError("no message came back")
        return Traffic(messages, seconds, spent, spent / messages * 1e6)


def echo(load: Load) -> Traffic:
    """Keep `window` messages in flight on each connection."""
    payload = b"x" * load.size
    message, answer = masked_frame(TEXT, payload), plain_frame(TEXT, payload)
    opened = open_sockets(load.port, "/", load.connections)
    for each in opened:
        each.sendall(message)
        expect(each, answer)
    sockets, size = Sockets(opened), len(answer)
    partial = dict.fromkeys(sockets.by_descriptor, 0)
    for descriptor in partial:
        for _ in range(load.window):
            sockets.send(descriptor, message)
    received, meter = 0, Meter(load)
    while meter.running(received):
        answers = []
        for descriptor in sockets.poll(load.seconds + 30):
            count = sockets.read(descriptor)
            received += count
            whole, partial[descriptor] = divmod(partial[descriptor] + count, size)
            if whole:
                answers.append((descriptor, whole))
        # Read all answers before sending, so that the server finds as many messages at once as
        # with a faster client. Write each message separately, as clients do: written together,
        # they would stay together, which favours a server that answers each read in one write.
        for descriptor, whole in answers:
            if whole > load.window:
                raise LoadError("more came back than was sent")
            for _ in range(whole):
                sockets.send(descriptor, message)
    return meter.result(received, size)


def fanout(load: Load) -> Traffic:
    """Publish from one connection to all others, with up to `window` messages in flight."""
    payload = b"x" * load.size
    message, answer = masked_frame(TEXT, payload), plain_frame(TEXT, payload)
    publisher, *receivers = opened = open_sockets(load.port, "/fan", load.connections + 1)
    publisher.sendall(message)
    for each in receivers:
        expect(each, answer)
    source = publisher.fileno()
    sockets, size = Sockets(opened), len(answer)
    published = received = 0
    per_message = size * len(receivers)
    meter = Meter(load)
    while meter.running(received):
        while published * per_message - received < load.window * per_message:
            sockets.send(source, message)
            published += 1
        for descriptor in sockets.poll(load.seconds + 30):
            count = sockets.read(descriptor)
            if descriptor == source and count:
                raise LoadError("the publisher got its own message")
            received += count
    return meter.result(received, size)


def idle(load: Load) -> Memory:
    """Measure connections that only answer pings."""
    opened = open_sockets(load.port, "/", FIRST)
    before = resident_kib(load.pid)
    opened += open_sockets(load.port, "/", load.connections)
    sockets = Sockets(opened)
    partial = dict.fromkeys(sockets.by_descriptor, b"")
    end = monotonic() + load.seconds
    while (left := end - monotonic()) > 0:
        for descriptor in sockets.poll(min(left, 1.0)):
            count = sockets.read(descriptor)
            data = partial[descriptor] + sockets.buffer[:count]
            partial[descriptor] = answer_pings(sockets, descriptor, data)
    after = resident_kib(load.pid)
    return Memory(load.connections, before, after, (after - before) / load.connections)


def answer_pings(sockets: Sockets, descriptor: int, data: bytes) -> bytes:
    """Answer the pings in `data`, and return the rest, the start of a frame."""
    while len(data) >= 2 and len(data) >= (end := 2 + data[1]):
        if data[1] > 125 or data[0] == 0x80 | CLOSE:
            raise LoadError("an idle connection got more than pings")
        if data[0] == 0x80 | PING:
            sockets.send(descriptor, masked_frame(PONG, data[2:end]))
        data = data[end:]
    return data


MODES: dict[str, Callable[[Load], Traffic | Memory]] = {
    "echo": echo,
    "fanout": fanout,
    "idle": idle,
}


def parse() -> tuple[str, Load]:
    """Return the mode and its load, within bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("port", type=int, help="of a server on 127.0.0.1")
    parser.add_argument("--pid", type=int, required=True, help="process whose use is measured")
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--bytes", type=int, default=64, help="of each message")
    parser.add_argument("--window", type=int, default=1, help="messages in flight")
    parser.add_argument("--seconds", type=float, default=2.0)
    given = parser.parse_args()
    bounds = (
        ("connections", MAX_CONNECTIONS),
        ("bytes", MAX_BYTES),
        ("window", MAX_WINDOW),
        ("seconds", MAX_SECONDS),
    )
    for name, most in bounds:
        if not 0 < getattr(given, name) <= most:
            parser.error(f"--{name} must be more than 0 and at most {most:g}")
    return given.mode, Load(
        given.port, given.pid, given.connections, given.bytes, given.window, given.seconds
    )


def out_of_time(_number: int, _frame: Any) -> None:
    """End the program, which has run for too long."""
    raise LoadError("out of time")


def main() -> None:
    """Print the measurement as one line of JSON, or the error in one line."""
    mode, load = parse()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    gc.disable()
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(round(load.seconds) + MARGIN)
    try:
        print(json.dumps(asdict(MODES[mode](load))))
    except (LoadError, FileNotFoundError, ProcessLookupError) as error:
        print(f"load: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
