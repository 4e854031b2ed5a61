"""Type checkers accept what our worker and its application give each other."""

from __future__ import annotations

from fws_gevent.application import FilteredWebSocketApplication
from fws_gevent.settings import Settings
from fws_gevent.upgrade.contract import WorkerNode


def test_an_application_is_a_node_of_its_worker() -> None:
    node: WorkerNode = FilteredWebSocketApplication(Settings(grace=2.0))
    assert (node.live, node.settings) == (0, Settings(grace=2.0))
