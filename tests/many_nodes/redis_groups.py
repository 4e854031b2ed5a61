"""Several Redis servers that belong together, each a process, and two nodes that use them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import gevent
from redis.crc import key_slot

from fws_gevent import PublishFailed
from fws_gevent.filters.base import WebSocketMessageFilter
from fws_gevent.filters.notify_gap import NotifyGapFilter
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.storage.redis import RedisStorageObject

from ..clients import ROOT, Client
from ..conftest import Connect, Serve
from ..programs import require_cluster
from ..redis_processes import RedisProcess
from ..waiting import free_port, until

sys.path.append(str(ROOT / "benchmarks"))

from soak.books import Books, Connection, Gap, Message

SERVICE = "books"
SLOTS = 16384


class SentinelTrio:
    """A master with a replica, and three Sentinels of which two must agree that it is gone."""

    def __init__(self, folder: Path) -> None:
        self._processes: list[RedisProcess] = []
        self._folder = folder
        try:
            self._build()
        except BaseException:
            self.stop()
            raise

    def _build(self) -> None:
        self.master = self._start()
        self.replica = self._start("--replicaof", f"127.0.0.1 {self.master.port}")
        self.sentinels = [self._start_sentinel() for _ in range(3)]
        until(lambda: all(map(self._is_complete, self.sentinels)))

    @property
    def url(self) -> str:
        """The URL by which a node finds the master."""
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    def stop(self) -> None:
        """End all processes."""
        for each in self._processes:
            each.stop()

    def _start(self, *options: str, **more: Any) -> RedisProcess:
        folder = self._folder / f"redis{len(self._processes)}"
        fast = [] if more else ["--repl-diskless-sync-delay", "0"]
        process = RedisProcess(folder, [*fast, *options], **more)
        self._processes.append(process)
        return process

    def _start_sentinel(self) -> RedisProcess:
        folder = self._folder / f"redis{len(self._processes)}"
        folder.mkdir(parents=True)
        (folder / "sentinel.conf").write_text(
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.master.port} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} 1000\n"
            f"sentinel failover-timeout {SERVICE} 3000\n"
        )
        return self._start(sentinel=True)

    @staticmethod
    def _is_complete(sentinel: RedisProcess) -> bool:
        """Return whether a Sentinel knows the two others and a replica that is in step."""
        state = ask(sentinel, "SENTINEL MASTER", SERVICE)
        replicas = ask(sentinel, "SENTINEL SLAVES", SERVICE)
        linked = [each["master-link-status"] for each in replicas]
        return bool(state["num-other-sentinels"] == 2 and linked == ["ok"])


class RedisCluster:
    """Three masters, each with a third of the slots, and a replica of the first one."""

    def __init__(self, folder: Path) -> None:
        require_cluster()
        self._processes: list[RedisProcess] = []
        self._folder = folder
        self._bus: dict[int, int] = {}
        try:
            self._build()
        except BaseException:
            self.stop()
            raise

    def _build(self) -> None:
        self.masters = [self._start() for _ in range(3)]
        self.replica = self._start()
        everyone = [*self.masters, self.replica]
        for number, master in enumerate(self.masters):
            first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1
            ask(master, "CLUSTER ADDSLOTSRANGE", first, last)
            # With epochs of their own they have no conflict to settle first.
            ask(master, "CLUSTER SET-CONFIG-EPOCH", number + 1)
        for each in everyone[1:]:
            ask(self.masters[0], "CLUSTER MEET", "127.0.0.1", each.port, self._bus[each.port])
        until(lambda: all(_known(each) == 4 for each in everyone))
        ask(self.replica, "CLUSTER REPLICATE", _name_of(self.masters[0]))
        until(lambda: link_is_up(self.replica))
        until(lambda: all(self._is_complete(each) for each in everyone))

    @property
    def url(self) -> str:
        """The URL by which a node finds the cluster: two of its servers."""
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.masters[1:])
        return f"redis+cluster://{hosts}"

    def stop(self) -> None:
        """End all processes."""
        for each in self._processes:
            each.stop()

    def master_of(self, group: str) -> RedisProcess:
        """The master that had the slot of a group's stream at first."""
        slot = key_slot(f"{{{group}}}".encode())
        return self.masters[next(at for at in range(3) if slot < (at + 1) * SLOTS // 3)]

    def move_slot(self, slot: int, source: RedisProcess, target: RedisProcess) -> None:
        """Move a slot with all its keys to another master, as one does by hand."""
        there = _name_of(target)
        self._begin_move(slot, source, target)
        while keys := ask(source, "CLUSTER GETKEYSINSLOT", slot, 100):
            ask(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        for each in (target, source, *(set(self.masters) - {source, target})):
            ask(each, "CLUSTER SETSLOT", slot, "NODE", there)

    @contextmanager
    def slot_on_the_move(
        self, slot: int, source: RedisProcess, target: RedisProcess
    ) -> Iterator[None]:
        """Have a slot begin to move to another master, and stay where it is after all."""
        self._begin_move(slot, source, target)
        try:
            yield
        finally:
            for each in (source, target):
                ask(each, "CLUSTER SETSLOT", slot, "STABLE")

    @staticmethod
    def _begin_move(slot: int, source: RedisProcess, target: RedisProcess) -> None:
        ask(target, "CLUSTER SETSLOT", slot, "IMPORTING", _name_of(source))
        ask(source, "CLUSTER SETSLOT", slot, "MIGRATING", _name_of(target))

    def _start(self) -> RedisProcess:
        folder = self._folder / f"redis{len(self._processes)}"
        bus = free_port()
        process = RedisProcess(folder, [
            "--cluster-enabled", "yes", "--cluster-port", str(bus),
            "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no",
            "--repl-diskless-sync-delay", "0",
        ])  # fmt: skip
        self._bus[process.port] = bus
        self._processes.append(process)
        return process

    @staticmethod
    def _is_complete(process: RedisProcess) -> bool:
        """Return whether one of them knows all slots' masters, and the replica."""
        state = ask(process, "CLUSTER INFO")
        nodes = ask(process, "CLUSTER NODES")
        return (
            state["cluster_state"] == "ok"
            and state["cluster_slots_ok"] == str(SLOTS)
            and sum("slave" in each["flags"] for each in nodes.values()) == 1
        )


def ask(process: RedisProcess, *command: Any) -> Any:
    """Return the answer of a server to one command."""
    client = process.client()
    try:
        return client.execute_command(*command)  # type: ignore[no-untyped-call]
    finally:
        client.close()


def role(process: RedisProcess) -> str:
    """`master` or `slave`."""
    answer: list[bytes] = ask(process, "ROLE")
    return answer[0].decode()


def link_is_up(replica: RedisProcess) -> bool:
    """Return whether a replica is in step with its master."""
    answer: list[bytes] = ask(replica, "ROLE")
    return answer[0] == b"slave" and answer[3] == b"connected"


def _known(process: RedisProcess) -> int:
    return len(ask(process, "CLUSTER NODES"))


def _name_of(process: RedisProcess) -> str:
    answer: bytes = ask(process, "CLUSTER MYID")
    return answer.decode()


class TwoNodes:
    """Two nodes with a member of each group, publishers, and the books of it all."""

    def __init__(self, url: str, serve: Serve, connect: Connect, groups: Sequence[str]) -> None:
        class Join(WebSocketMessageFilter):
            @classmethod
            def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
                web_socket_instance.join(data.text)
                web_socket_instance.send("joined")

        self.books = Books()
        self.groups = groups
        self._moment = count(1).__next__
        self._over = False
        self.storages = [RedisStorageObject.from_url(url) for _ in range(2)]
        self.nodes: list[FilteredWebSocketServer] = [
            serve([Join, NotifyGapFilter], extra={"storage_object": each}) for each in self.storages
        ]
        self.members: list[tuple[str, Client, Connection]] = []
        for group in groups:
            for number, node in enumerate(self.nodes):
                member = connect(node)
                member.send(group)
                assert member.receive() == "joined"
                account = Connection(f"{group}@{number}", {group: self._moment()}, stayed=True)
                self.books.connections.append(account)
                self.members.append((group, member, account))

    def publish(self, group: str, node: int = 0) -> str | None:
        """Publish one message; None if it failed."""
        asked = self._moment()
        name = f"{group} {asked}"
        message = self.books.messages[name] = Message(group, asked)
        try:
            self.nodes[node].broadcast(name, group)
        except PublishFailed:
            return None
        message.acknowledged = self._moment()
        return name

    def taken(self, group: str) -> int:
        """Messages to a group that were acknowledged."""
        return sum(
            each.acknowledged is not None
            for each in self.books.messages.values()
            if each.stream == group
        )

    def flows(self, *groups: str) -> None:
        """Wait until some more messages to each of these groups were acknowledged."""
        before = {group: self.taken(group) for group in groups}
        until(lambda: all(self.taken(group) >= before[group] + 20 for group in groups))

    def busy(self) -> list[gevent.Greenlet[..., None]]:
        """Publishers on both nodes, to all groups, that go on until `settle`."""
        return [gevent.spawn(self._go_on, group, at) for group in self.groups for at in range(2)]

    def _go_on(self, group: str, node: int) -> None:
        while not self._over:
            self.publish(group, node)
            gevent.sleep(0.02)

    def settle(self, busy: Sequence[gevent.Greenlet[..., None]] = ()) -> None:
        """Publish what comes last, and read what came until then."""
        self._over = True
        gevent.joinall(busy, raise_error=True)
        for group in self.groups:
            while (name := self.publish(group)) is None:
                pass
            self.read_to(group, name)

    def read_to(self, group: str, name: str) -> None:
        """Read what the members of a group got, up to this message."""
        for each, member, account in self.members:
            while each == group and account.received[-1:] != [name]:
                account.received.append(received(member))

    def gaps(self, group: str) -> list[list[str]]:
        """The reasons that each member was told for a group."""
        return [
            [each.reason for each in account.received if isinstance(each, Gap)]
            for name, _, account in self.members
            if name == group
        ]

    def wrong(self, durable: bool = False) -> list[str]:
        """Return the complaints of the books; `durable` says that Redis has forgotten nothing."""
        return list(self.books.balance(durable).lines())

    @property
    def healthy(self) -> bool:
        """Return whether both nodes receive the messages of the other."""
        return all(each.node.healthy for each in self.nodes)

    def close(self) -> None:
        """Close the connections for commands."""
        for each in self.storages:
            each.close()


def received(member: Client) -> str | Gap:
    """The next message, or the notice that some are missing."""
    text = str(member.receive())
    if not text.startswith("{"):
        return text
    notice = json.loads(text)
    assert notice["fws"] == "gap"
    return Gap(notice["group"] or "*", notice["reason"])
