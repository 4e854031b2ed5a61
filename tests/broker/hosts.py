"""A host for brokers, with a loop and groups, which records the calls of its broker."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from fws_gevent.broker.base import Broker
from fws_gevent.broker.host import BrokerHost
from fws_gevent.loop.reactor import Reactor
from fws_gevent.signals import Member


class Connection(NamedTuple):
    """A connection, as a broker knows it."""

    id: str
    subject: str | None = None


class Events:
    """A queue that keeps all events."""

    def __init__(self) -> None:
        self.offered: list[Any] = []

    def offer(self, data: dict[str, Any]) -> bool:
        self.offered.append(data)
        return True


class Host:
    """A node with a broker; `got` are the messages of each connection by its id."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.reactor = Reactor(10)
        self.users: dict[str, Connection] = {}
        self.groups: dict[str, dict[str, Connection]] = {}
        self.got: dict[str, list[bytes]] = {}
        self.closed: list[tuple[str, int, str]] = []
        self.queue = Events()
        self.gaps: list[tuple[str | None, str]] = []
        self.told: list[tuple[Member, bool]] = []
        broker.attach(cast("BrokerHost", self))

    def start(self) -> None:
        """Begin to serve."""
        self.reactor.start()
        self.broker.start()

    def stop(self) -> None:
        """Serve no more."""
        self.broker.stop()
        self.reactor.stop()

    def enter(self, id_: str, *groups: str, subject: str | None = None, wait: bool = True) -> None:
        """Have a connection come in and join groups."""
        self.users[id_] = Connection(id_, subject)
        self.got[id_] = []
        for group in groups:
            members = self.groups.setdefault(group, {})
            members[id_] = self.users[id_]
            self.broker.join(group, id_, subject, first=len(members) == 1, wait=wait)

    def leave(self, id_: str, group: str) -> None:
        """Have a connection leave a group."""
        members = self.groups[group]
        del members[id_]
        if not members:
            del self.groups[group]
        self.broker.leave(group, id_, last=not members)

    # Called by the broker.

    def spread(self, opcode: int, payload: bytes, group: str | None, exclude: str) -> int:
        members = self.users if group is None else self.groups.get(group, {})
        for each in members:
            if each != exclude:
                self.got[each].append(bytes((opcode,)) + bytes(payload))
        return len(members)

    def send_here(self, opcode: int, payload: bytes, group: str | None, exclude: str) -> None:
        if self.reactor.elsewhere():
            self.reactor.call_here(self.spread, opcode, bytes(payload), group, exclude)
        else:
            self.spread(opcode, payload, group, exclude)

    def disconnect_here(self, group: str | None, name: str | None, code: int, reason: str) -> int:
        members = self.groups.get(group or "", {}) if name is None else {name} & set(self.users)
        self.closed += [(each, code, reason) for each in members]
        return len(members)

    def hears_members(self, *, joined: bool) -> bool:
        return True

    def tell_member(self, member: Member, *, joined: bool) -> None:
        self.told.append((member, joined))

    def tell_gap(self, group: str | None, reason: str) -> None:
        self.gaps.append((group, reason))

    def summary(self) -> dict[str, Any]:
        return {"name": "host"}
