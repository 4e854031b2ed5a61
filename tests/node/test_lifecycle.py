"""The parts of a node start and stop with it, also more than once."""

from __future__ import annotations

import gevent

from fws_gevent import signals
from fws_gevent.broker.memory import MemoryBroker
from fws_gevent.node.node import Node
from fws_gevent.settings import Settings
from tests.waiting import until

from .guarded import Script


class Noted(MemoryBroker):
    """A broker that notes when it starts and stops, and how the node is then."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[str, bool]] = []

    def start(self) -> None:
        super().start()
        self.noted.append(("start", self.host.reactor.started))

    def stop(self) -> None:
        super().stop()
        self.noted.append(("stop", self.host.reactor.started))


def test_the_broker_is_started_last_and_stopped_first() -> None:
    broker = Noted()
    node = Node(Settings(), broker=broker)
    for _ in range(2):
        node.start()
        assert node.reactor.started
        node.stop()
        assert not node.reactor.started
    assert broker.noted == [("start", True), ("stop", True)] * 2


def test_deadlines_are_due_while_it_runs_alone() -> None:
    node = Node(Settings(ping_timeout=0.04))
    before = node.wheel.now
    node.start()
    until(lambda: node.wheel.now > before + 2)
    node.stop()
    stopped = node.wheel.now
    gevent.sleep(0.05)
    assert node.wheel.now == stopped


def test_its_chains_are_on_the_buses_while_it_runs_alone() -> None:
    node = Node(Settings(), filters=[Script])
    assert not list(signals.message_received.receivers_for(node))
    node.start()
    assert list(signals.message_received.receivers_for(node))
    node.stop()
    assert not list(signals.message_received.receivers_for(node))
