"""The actors of a run: nodes that can be killed, and clients that always reconnect."""

from __future__ import annotations

import contextlib
import json
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

from tests.clients import Client, Command, frame
from tests.waiting import free_port

from .books import Connection, Gap
from .node import EVERYBODY

if TYPE_CHECKING:
    from .run import Run

ROOT = Path(__file__).resolve().parent.parent.parent
GROUPS = ("a", "b")
ANSWER = 5.0
"""Seconds after which a publisher stops waiting for the answer to a message."""


class Node:
    """A node that can be killed, restarted and frozen; it keeps its port."""

    def __init__(self, redis_url: str) -> None:
        self.port = free_port()
        self._url = redis_url
        self.output = ""
        self.command: Command | None = None

    def start(self) -> None:
        """Start the node (again), and return when it serves."""
        self.command = Command(
            "-m", "fws_gevent", "-f", "benchmarks.soak.node", "-p", str(self.port),
            "--redis_url", self._url, "--grace", "0.5", "--log_level", "warning", cwd=ROOT,
        )  # fmt: skip
        with gevent.Timeout(20):
            while not self._listens():
                gevent.sleep(0.05)

    def _listens(self) -> bool:
        try:
            Client(self.port).drop()
        except (OSError, AssertionError):
            return False
        return True

    def signal(self, number: int) -> None:
        """Freeze or thaw the node."""
        assert self.command is not None
        self.command.signal(number)

    def kill(self) -> None:
        """Kill the node with SIGKILL."""
        if self.command is not None:
            self.command.process.kill()
            self.command.end()
            self.output += self.command.output
            self.command = None


class Member:
    """A client in one group, over one connection after another, that publishes."""

    def __init__(self, run: Run, number: int) -> None:
        self._run = run
        self._random = Random(f"{run.seed} client {number}")
        self._name = f"client{number}"
        self._group = GROUPS[number % len(GROUPS)]
        self._node = run.nodes[number % len(run.nodes)]
        self._reads = Event()
        self._reads.set()
        self._waiting: dict[str, Event] = {}
        self._client: Client | None = None
        self._leaving = False
        self._accounts = count(1)
        self.account: Connection | None = None
        """Return the present connection in the books."""

    def live(self) -> None:
        """Connect, join, read and publish, until the run is over."""
        while not self._run.over.is_set():
            try:
                client = Client(self._node.port)
            except (OSError, AssertionError):
                gevent.sleep(0.05)
                continue
            self._client = client
            self._leaving = False
            self._begin_account()
            speaker = gevent.spawn(self._speak, client)
            with contextlib.suppress(OSError):
                client.send(f"join {self._group}")
                self._read(client)
            self._client = self.account = None
            client.drop()
            speaker.join()
            self._node = self._random.choice(self._run.nodes)

    def _begin_account(self) -> Connection:
        """Begin another account in the books, for a new connection or a new membership."""
        self.account = Connection(f"{self._name}.{next(self._accounts)}")
        self._run.books.connections.append(self.account)
        return self.account

    def _read(self, client: Client) -> None:
        while True:
            got = client.frame()
            self._reads.wait()
            if got.opcode == 8:
                return
            if got.opcode == 9:
                client.raw(frame(10, got.payload))
            elif got.opcode in (1, 2):
                self._heard(client, got.payload.decode())

    def _heard(self, client: Client, text: str) -> None:
        account, run = self.account, self._run
        assert account is not None
        if text.startswith("{"):
            notice = json.loads(text)
            if notice["fws"] == "gap":
                account.received.append(Gap(notice["group"] or EVERYBODY, notice["reason"]))
            return
        what, _, name = text.partition(" ")
        if what == "message":
            account.received.append(name)
        elif what == "taken":
            run.books.messages[name].acknowledged = run.moment()
        elif text == f"done join {self._group}":
            account.joined.setdefault(EVERYBODY, run.moment())
            account.joined[self._group] = run.moment()
        elif text == f"done leave {self._group}":
            self._begin_account().joined[EVERYBODY] = run.moment()
            self._leaving = False
            client.send(f"join {self._group}")
        if what in ("taken", "failed") and name in self._waiting:
            self._waiting[name].set()

    @property
    def is_in(self) -> bool:
        """Return whether the client is connected and in its group."""
        return self.account is not None and self._group in self.account.joined and not self._leaving

    def _speak(self, client: Client) -> None:
        while self._client is client and not self._run.quiet.is_set():
            gevent.sleep(self._random.expovariate(30.0))
            account = self.account
            if account is None or not self.is_in:
                continue
            stream = self._random.choice((*GROUPS, *GROUPS, EVERYBODY))
            order = self._random.choice(("say", "say", "say", "others"))
            name = self._run.publish(stream, account.name if order == "others" else "")
            answered = self._waiting[name] = Event()
            try:
                client.send(f"{order} {stream} {name}")
            except OSError:
                return
            answered.wait(ANSWER)
            del self._waiting[name]

    def drop(self) -> None:
        """Disconnect without a Close; the client reconnects."""
        if self._client is not None:
            with contextlib.suppress(OSError):
                self._client.socket.shutdown(2)

    def rejoin(self) -> None:
        """Leave the group, then join it again."""
        if self._client is not None and self.is_in:
            self._leaving = True
            with contextlib.suppress(OSError):
                self._client.send(f"leave {self._group}")

    def freeze(self, seconds: float) -> None:
        """Don't read for a while."""
        self._reads.clear()
        gevent.sleep(seconds)
        self._reads.set()
