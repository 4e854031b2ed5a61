"""Connect, chat and vanish at random, and check that nothing of the clients remains.

    python -m benchmarks.soak.churn --seconds 3600 --clients 200 --way command

There must be as many disconnects as connects, no closed connection in a group, and at the end no
more descriptors and greenlets than at the beginning. Memory is flat if the second half uses no
more than the first. The exit status is 1 if something is wrong.
"""

# ruff: noqa: E402 - nothing may be imported before the patch

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse
import json
import shutil
import socket
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import gevent

from tests.clients import Client, Command, frame
from tests.resilience.ways import WAYS, Site, start_site

GROUPS = 20
PING = 1.0
"""Seconds of the server's ping interval and time-out, which find vanished clients."""
SETTLE = 20.0
"""Seconds within which the last vanished client must be closed."""
FLAT = 8 << 20
"""Bytes by which the second half may exceed the first, because of the allocator."""

FILTERS = """
import gc
import json
import logging
from collections import Counter

from greenlet import greenlet

from fws_gevent.filters.base import (
    WebSocketConnectFilter, WebSocketDisconnectFilter, WebSocketMessageFilter,
)

BOOKS = Counter()

logging.getLogger("fws_gevent.access").setLevel("WARNING")  # a line for each would be a million


class Came(WebSocketConnectFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        BOOKS["connects"] += 1


class Went(WebSocketDisconnectFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        BOOKS["disconnects"] += 1


class Chat(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        if data == "census":
            gc.collect()
            server = web_socket_instance.node
            web_socket_instance.send(json.dumps({
                **BOOKS, "users": len(server.users), "groups": len(server.groups),
                "greenlets": sum(isinstance(each, greenlet) for each in gc.get_objects()),
            }))
            return
        group, _, text = data.text.partition(" ")
        web_socket_instance.join(group)
        web_socket_instance.broadcast(text, group, include_self=True)
"""


class Census(NamedTuple):
    """The state of the server, from itself and from the system."""

    connects: int
    disconnects: int
    users: int
    groups: int
    greenlets: int
    resident: int
    descriptors: int

    def __str__(self) -> str:
        return (
            f"{self.connects} connects, {self.disconnects} disconnects, {self.users} users, "
            f"{self.groups} groups, {self.greenlets} greenlets, {self.descriptors} descriptors, "
            f"{self.resident >> 10} KiB"
        )


def census_of(site: Site) -> Census:
    """Query a server over a separate connection, which is not counted."""
    client = Client(site.port)
    client.send("census")
    told: dict[str, int] = json.loads(client.receive())
    resident, descriptors = site.resident, site.descriptors
    client.close()
    client.frame()
    client.drop()
    return Census(
        told.get("connects", 0) - 1, told.get("disconnects", 0), told["users"] - 1, told["groups"],
        told["greenlets"], resident, descriptors - 1,
    )  # fmt: skip


def leave(client: Client, how: str) -> None:
    """End a connection in one of many ways."""
    if how == "close":
        client.close()
    elif how == "reset":
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif how == "garbage":
        client.raw(b"\xff\xff\xff\xff")
    elif how == "half a frame":
        client.raw(frame(1, b"never whole")[:-4])
    elif how == "silence":
        gevent.sleep(3 * PING)  # it doesn't answer pings, and is closed
    client.drop()


WAYS_TO_LEAVE = ("close", "drop", "reset", "garbage", "half a frame", "silence")


class Churn:
    """Connect and disconnect clients until `until`."""

    def __init__(self, site: Site, seed: int, seconds: float) -> None:
        self.site = site
        self.done: Counter[str] = Counter()
        self._random = Random(seed)
        self._until = time.monotonic() + seconds

    def live(self) -> None:
        """Run one client after another."""
        while time.monotonic() < self._until:
            how = self._random.choice(WAYS_TO_LEAVE)
            try:
                self._visit(how)
            except (OSError, AssertionError) as error:
                self.done[f"failed: {type(error).__name__} {error}"[:80]] += 1
            else:
                self.done[how] += 1
            gevent.sleep(self._random.uniform(0, 0.2))

    def _visit(self, how: str) -> None:
        client = Client(self.site.port)
        try:
            for _ in range(self._random.randrange(4)):
                group = f"group{self._random.randrange(GROUPS)}"
                client.send(f"{group} {'x' * self._random.randrange(600)}")
                client.receive()
                gevent.sleep(self._random.uniform(0, 0.1))
            leave(client, how)
        finally:
            client.drop()


def run(
    site: Site, seed: int, seconds: float, clients: int, report: Callable[[str], None]
) -> list[str]:
    """Churn on a server, and return the errors."""
    churn = Churn(site, seed, 0.0)
    before = census_of(site)
    report(f"before: {before}")
    churn = Churn(site, seed, seconds)
    actors = [gevent.spawn(churn.live) for _ in range(clients)]
    seen = []
    step = max(1.0, min(60.0, seconds / 6))
    while not gevent.joinall(actors, timeout=step, count=len(actors)) or any(
        not each.ready() for each in actors
    ):
        seen.append(census_of(site))
        report(str(seen[-1]))
    after = settled(site)
    report(f"after:  {after}")
    report(", ".join(f"{how} {count}" for how, count in sorted(churn.done.items())))
    return [*wrong(before, after, seen), *(each for each in churn.done if "failed" in each)]


def settled(site: Site) -> Census:
    """Return the state after all clients were closed."""
    deadline = time.monotonic() + SETTLE
    while True:
        found = census_of(site)
        if not found.users or time.monotonic() > deadline:
            return found
        gevent.sleep(0.2)


def wrong(before: Census, after: Census, seen: list[Census]) -> list[str]:
    """Return the errors in the books."""
    complaints = []
    if after.connects != after.disconnects:
        complaints.append(f"{after.connects} connects, but {after.disconnects} disconnects")
    left = {"users": after.users, "groups": after.groups}
    complaints += [f"{count} {what} are left" for what, count in left.items() if count]
    for what in ("descriptors", "greenlets"):
        more = getattr(after, what) - getattr(before, what)
        if more > 3:  # some runners, and descriptors that the first connection opened permanently
            complaints.append(f"{more} {what} more than before")
    half = len(seen) // 2
    if half:
        first, second = (max(each.resident for each in part) for part in (seen[:half], seen[half:]))
        if second - first > FLAT:
            complaints.append(f"memory grew by {(second - first) >> 10} KiB in the second half")
    return complaints


def main() -> None:
    """Churn with the given flags."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--way", choices=WAYS, default=WAYS[0])
    flags = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fws-churn-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)

        def start(*arguments: str, **more: Any) -> Command:
            command = Command(*arguments, **more)
            stack.callback(command.end)
            return command

        site = start_site(
            flags.way, start, Client, folder, filters=FILTERS,
            ping_interval=PING, ping_timeout=PING, close_timeout=PING,
        )  # fmt: skip
        print(f"seed {flags.seed}, {flags.clients} clients, {flags.seconds:g} s, {flags.way}")
        complaints = run(site, flags.seed, flags.seconds, flags.clients, print)
    for each in complaints:
        print(f"WRONG: {each}")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
