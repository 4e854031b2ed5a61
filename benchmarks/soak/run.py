"""Run several nodes with faults at random moments, and check each run against the books.

    make soak SOAK="--runs 100 --seed 1 --seconds 3"

One run has a Redis, two or three nodes, clients on all of them and a publishing program. Odd seeds
have a Redis without persistence, where gaps are allowed but must be reported.
"""

# ruff: noqa: E402 - nothing may be imported before the patch

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import gevent
from gevent.event import Event

from fws_gevent import Publisher, PublishFailed
from tests.redis_processes import RedisProcess

from .actors import GROUPS, Member, Node
from .books import Balance, Books, Gap, Message, total
from .node import EVERYBODY

CLIENTS = 6
SETTLE = 25.0
"""Seconds within which everything must work again after the last fault."""
LIMIT = 90.0
"""The longest duration of a run, in seconds."""


class Run:
    """One run, from the first process to the verdict."""

    def __init__(self, seed: int, seconds: float, folder: Path) -> None:
        self.seed = seed
        self.seconds = seconds
        self.books = Books()
        self.durable = self.persistent = seed % 2 == 0
        self.quiet, self.over = Event(), Event()
        self.moment = count(1).__next__
        self.faults: list[str] = []
        self.trouble = ""
        self._random = Random(seed)
        self._numbers = count(1)
        self._begun = time.monotonic()
        self.nodes: list[Node] = []
        self.members: list[Member] = []
        self.redis = RedisProcess(folder / f"redis{seed}", persistent=self.persistent)

    def publish(self, stream: str, exclude: str = "") -> str:
        """Record that a message will be published, and return its id."""
        name = f"{stream}{next(self._numbers)}"
        self.books.messages[name] = Message(stream, self.moment(), exclude=exclude)
        return name

    def go(self) -> Balance:
        """Run, and return the errors."""
        running: list[Any] = []
        try:
            with gevent.Timeout(LIMIT):
                self.nodes = [Node(self.redis.url) for _ in range(self._random.choice((2, 3)))]
                gevent.joinall([gevent.spawn(each.start) for each in self.nodes], raise_error=True)
                self.members = [Member(self, number) for number in range(CLIENTS)]
                running = [gevent.spawn(each.live) for each in self.members]
                speakers = [gevent.spawn(self._publish, number) for number in range(2)]
                running += speakers
                faults = [gevent.spawn(self._disturb, kind) for kind in (self._redis_faults(),
                          self._node_faults())]  # fmt: skip
                running += faults
                gevent.joinall(faults, raise_error=True)
                self.quiet.set()
                gevent.joinall(speakers, raise_error=True)
                self._settle()
        except gevent.Timeout:
            self.trouble = f"not over after {LIMIT:g} s"
        finally:
            self._end(running)
        return self.books.balance(self.durable)

    # Publishing from another program.

    def _publish(self, number: int) -> None:
        random = Random(f"{self.seed} publisher {number}")
        publisher = Publisher(self.redis.url)
        while not self.quiet.is_set():
            gevent.sleep(random.expovariate(40.0))
            self._publish_one(publisher, random.choice((*GROUPS, *GROUPS, EVERYBODY)))
        publisher.close()

    def _publish_one(self, publisher: Publisher, stream: str) -> str | None:
        name = self.publish(stream)
        try:
            publisher.publish(f"message {name}", None if stream == EVERYBODY else stream)
        except PublishFailed:
            return None
        self.books.messages[name].acknowledged = self.moment()
        return name

    # Faults.

    def _disturb(self, faults: tuple[Random, list[Callable[[Random], str]]]) -> None:
        random, kinds = faults
        end = time.monotonic() + self.seconds
        while (left := end - time.monotonic()) > 0:
            gevent.sleep(min(left, random.uniform(0.05, 0.8)))
            fault = random.choice(kinds)
            at = time.monotonic() - self._begun
            self.faults.append(f"{at:.2f} s: {fault(random)}")

    def _redis_faults(self) -> tuple[Random, list[Callable[[Random], str]]]:
        often = [self._kill_redis, self._freeze_redis, self._kill_clients] * 5
        return Random(f"{self.seed} redis"), [*often, self._flush]

    def _node_faults(self) -> tuple[Random, list[Callable[[Random], str]]]:
        return Random(f"{self.seed} nodes"), [
            self._kill_node, self._freeze_node, self._freeze_node, self._drop, self._drop,
            self._rejoin, self._rejoin, self._freeze_client,
        ]  # fmt: skip

    def _kill_redis(self, random: Random) -> str:
        away = random.uniform(0, 1)
        self.redis.kill()
        gevent.sleep(away)
        self.redis.start()
        return f"Redis killed, away for {away:.2f} s"

    def _freeze_redis(self, random: Random) -> str:
        away = random.choice((random.uniform(0, 0.5), random.uniform(0.5, 3.5)))
        self.redis.freeze()
        gevent.sleep(away)
        self.redis.thaw()
        return f"Redis frozen for {away:.2f} s"

    def _kill_clients(self, random: Random) -> str:
        kind, times = random.choice(("normal", "pubsub")), random.randint(1, 4)
        with self._client() as client:
            for _ in range(times):
                client.execute_command("CLIENT", "KILL", "TYPE", kind)
                gevent.sleep(random.uniform(0, 0.1))
        return f"CLIENT KILL TYPE {kind}, {times} times"

    def _flush(self, _random: Random) -> str:
        self.durable = False
        with self._client() as client:
            client.flushall()
        return "FLUSHALL"

    @contextlib.contextmanager
    def _client(self) -> Iterator[Any]:
        client = self.redis.client()
        try:
            yield client
        finally:
            client.close()

    def _kill_node(self, random: Random) -> str:
        number = random.randrange(len(self.nodes))
        self.nodes[number].kill()
        self.nodes[number].start()
        return f"node {number} killed"

    def _freeze_node(self, random: Random) -> str:
        number, away = random.randrange(len(self.nodes)), random.uniform(0, 2)
        self.nodes[number].signal(signal.SIGSTOP)
        gevent.sleep(away)
        self.nodes[number].signal(signal.SIGCONT)
        return f"node {number} frozen for {away:.2f} s"

    def _drop(self, random: Random) -> str:
        number = random.randrange(len(self.members))
        self.members[number].drop()
        return f"client {number} dropped"

    def _rejoin(self, random: Random) -> str:
        number = random.randrange(len(self.members))
        for each in self.members[number::2]:  # of the same group, so possibly all clients of a node
            each.rejoin()
        return f"clients of {GROUPS[number % 2]} leave and come back"

    def _freeze_client(self, random: Random) -> str:
        number, away = random.randrange(len(self.members)), random.uniform(0, 1.5)
        self.members[number].freeze(away)
        return f"client {number} frozen for {away:.2f} s"

    # The end.

    def _settle(self) -> None:
        """Wait until the last message has reached all clients, after all others."""
        try:
            with gevent.Timeout(SETTLE):
                gevent.sleep(0.2)  # a client whose connection was closed just now notices it
                while not all(each.is_in for each in self.members):
                    gevent.sleep(0.02)
                publisher = Publisher(self.redis.url)
                last = {stream: self._publish_last(publisher, stream) for stream in
                        (*GROUPS, EVERYBODY)}  # fmt: skip
                publisher.close()
                while not all(self._has(each, last) for each in self.members):
                    gevent.sleep(0.02)
        except gevent.Timeout:
            self.trouble = f"not well {SETTLE:g} s after the last fault"
        for each in self.members:
            if each.account is not None:
                each.account.stayed = True

    def _publish_last(self, publisher: Publisher, stream: str) -> str:
        while True:
            name = self._publish_one(publisher, stream)
            if name is not None:
                return name

    def _has(self, member: Member, last: dict[str, str]) -> bool:
        account = member.account
        return account is not None and all(
            last[stream] in account.received[-50:] for stream in account.joined
        )

    def _end(self, running: list[Any]) -> None:
        self.quiet.set()
        self.over.set()
        gevent.killall(running, timeout=5)
        for node in self.nodes:
            node.kill()
        self.redis.kill()

    @property
    def account(self) -> str:
        """Return a summary of the run."""
        books = self.books
        taken = sum(each.acknowledged is not None for each in books.messages.values())
        failed = len(books.messages) - taken
        came = [one for each in books.connections for one in each.received]
        gaps = Counter(one.reason for one in came if isinstance(one, Gap))
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(gaps.items())) or "none"
        kind = "persistent" if self.persistent else "forgetful"
        return (
            f"seed {self.seed:4} {kind:10} {len(self.nodes)} nodes {len(self.faults):3} faults, "
            f"{len(books.connections):3} connections; {taken} taken, {failed} not; "
            f"{len(came) - gaps.total()} arrived, gaps told: {told}"
        )


def one_run(seed: int, seconds: float, folder: Path, verbose: bool) -> tuple[Balance, bool]:
    """Run and print. Return the errors, and whether the run completed."""
    run = Run(seed, seconds, folder)
    balance = run.go()
    wrong = ", ".join(f"{name} {count}" for name, count in balance.counts().items())
    print(f"{run.account}; {wrong} {run.trouble}".rstrip(), flush=True)
    if verbose or balance or run.trouble:
        for line in (*run.faults, *balance.lines()):
            print(f"    {line}")
        for each in run.books.connections if balance else ():
            print(f"    {each}")
        for number, node in enumerate(run.nodes):
            for line in node.output.splitlines():
                print(f"    node {number}: {line}")
    return balance, not run.trouble


def main() -> None:
    """Execute all runs; the exit status is 1 if there were errors."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each adds one")
    parser.add_argument("--seconds", type=float, default=3.0, help="of faults in a run")
    parser.add_argument("--verbose", action="store_true", help="print the faults of each run")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fws-soak-"))
    balances, ended = [], True
    try:
        for seed in range(given.seed, given.seed + given.runs):
            balance, well = one_run(seed, given.seconds, folder, given.verbose)
            balances.append(balance)
            ended = ended and well
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sums = ", ".join(f"{name} {count}" for name, count in total(balances).items())
    print(f"{len(balances)} runs: {sums}")
    sys.exit(0 if ended and not any(balances) else 1)


if __name__ == "__main__":
    main()
