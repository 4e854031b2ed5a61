"""A Redis whose master is named by Sentinels: it is killed, and another one takes over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..conftest import Connect, Serve
from ..redis_processes import memory_folder
from ..waiting import until
from .redis_groups import SentinelTrio, TwoNodes, ask, link_is_up, role

GROUP = "room"


@pytest.fixture
def trio() -> Iterator[SentinelTrio]:
    with memory_folder() as folder:
        made = SentinelTrio(folder)
        yield made
        made.stop()


@pytest.fixture
def pair(trio: SentinelTrio, serve: Serve, connect: Connect) -> Iterator[TwoNodes]:
    made = TwoNodes(trio.url, serve, connect, [GROUP])
    yield made
    made.close()


def test_the_master_is_killed_and_messages_flow_over_the_new_one(
    trio: SentinelTrio, pair: TwoNodes
) -> None:
    busy = pair.busy()
    pair.flows(GROUP)
    trio.master.kill()
    pair.flows(GROUP)
    assert role(trio.replica) == "master"
    until(lambda: pair.healthy)
    # The old one comes back as a master that is empty, until a Sentinel tells it otherwise.
    trio.master.start()
    until(lambda: link_is_up(trio.master))
    losses = [each.node.broker.losses for each in pair.nodes]
    pair.flows(GROUP)
    pair.settle(busy)
    assert pair.wrong() == []
    assert pair.healthy
    assert [each.node.broker.losses for each in pair.nodes] == losses


def test_a_replica_that_lacks_messages_takes_over_and_the_gap_is_told_in_its_place(
    trio: SentinelTrio, pair: TwoNodes
) -> None:
    assert pair.publish(GROUP)
    until(lambda: in_step(trio))
    trio.replica.freeze()
    ask(trio.master, "CLIENT KILL", "TYPE", "replica")
    lacking = [str(pair.publish(GROUP)) for _ in range(3)]
    pair.read_to(GROUP, lacking[-1])
    trio.master.kill()
    trio.replica.thaw()
    pair.settle()
    assert pair.wrong() == []
    assert pair.gaps(GROUP) == [["older"]] * 2
    for account in pair.books.connections:
        assert all(each in account.received for each in lacking)


def in_step(trio: SentinelTrio) -> bool:
    """Return whether the replica has all that the master has."""
    offsets = [ask(each, "ROLE") for each in (trio.master, trio.replica)]
    return bool(offsets[0][1] == offsets[1][4])
