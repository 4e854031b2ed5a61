"""The broker of a single node."""

from __future__ import annotations

from fws_gevent.broker.base import process_name
from fws_gevent.broker.memory import MemoryBroker
from fws_gevent.protocol.frames import TEXT

from .hosts import Host


def test_it_sends_at_once() -> None:
    host = Host(MemoryBroker())
    host.start()
    host.enter("c", "room")
    host.broker.publish(TEXT, b"hello", "room", "")
    assert host.got["c"] == [b"\x01hello"]
    host.stop()


def test_it_is_named_by_the_process_that_serves() -> None:
    broker = MemoryBroker()
    broker._name = "the process that loaded the application"
    Host(broker).start()
    assert broker.node_name == process_name()
    assert not broker.shared
