"""A Redis Cluster: groups of different slots, a master that is killed, a slot that moves."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import gevent
import pytest
from redis.crc import key_slot

from fws_gevent import Publisher
from fws_gevent.cluster import nodes, upkeep
from fws_gevent.errors import StorageAway
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.storage.redis import RedisStorageObject

from ..clients import PATIENCE
from ..conftest import Connect, Serve
from ..redis_processes import memory_folder
from ..waiting import until
from .redis_groups import RedisCluster, TwoNodes, ask, link_is_up, role

GROUPS = ("red", "blue", "green", "black", "white", "grey")


@pytest.fixture
def cluster() -> Iterator[RedisCluster]:
    with memory_folder() as folder:
        made = RedisCluster(folder)
        yield made
        made.stop()


@pytest.fixture
def pair(cluster: RedisCluster, serve: Serve, connect: Connect) -> Iterator[TwoNodes]:
    made = TwoNodes(cluster.url, serve, connect, [one_at(cluster, at) for at in range(3)])
    yield made
    made.close()


def one_at(cluster: RedisCluster, at: int) -> str:
    """A group whose stream is on that master."""
    return next(each for each in GROUPS if cluster.master_of(each) is cluster.masters[at])


def test_groups_on_all_masters_flow_and_their_members_are_known(
    cluster: RedisCluster, pair: TwoNodes
) -> None:
    publisher = Publisher(cluster.url)
    for group in pair.groups:
        for number in range(20):
            assert pair.publish(group, number % 2)
        for node in pair.nodes:
            until(partial(has_two_members, node, group))
        publisher.publish("from outside", group)
    publisher.publish("to all")
    publisher.close()
    for _, member, _ in pair.members:
        got = [member.receive() for _ in range(22)]
        assert set(got[20:]) == {"from outside", "to all"}
        assert got[:20] == sorted(got[:20], key=lambda each: int(str(each).split()[1]))
    # Where each group's stream is, nothing of another one's is.
    for group in pair.groups:
        master = cluster.master_of(group)
        assert ask(master, "EXISTS", f"fws:{{{group}}}:stream") == 1
        assert ask(master, "PUBSUB SHARDCHANNELS", "*").count(f"fws:{{{group}}}:stream".encode())


def test_sets_of_the_storage_are_spread_and_the_same_for_all(
    pair: TwoNodes,
) -> None:
    here, there = pair.storages
    for number in range(30):
        here.add(f"key{number}", number)
        there.add(f"key{number}", "both")
    for number in range(30):
        assert there.get(f"key{number}") == {str(number), "both"}
        there.remove(f"key{number}", number)
        assert here.get(f"key{number}") == {"both"}
    assert here.get("nothing") is None


def test_a_master_is_killed_and_only_its_groups_wait_for_the_replica(
    cluster: RedisCluster, pair: TwoNodes
) -> None:
    doomed, *others = pair.groups
    unheard = next(
        name for name in map(str, range(99)) if cluster.master_of(name) is cluster.masters[0]
    )
    publisher = Publisher(cluster.url)
    publisher.publish("nobody is there", unheard)
    busy = pair.busy()
    pair.flows(*pair.groups)
    cluster.masters[0].kill()
    pair.flows(*others)
    assert role(cluster.replica) == "slave"  # the others flowed before anything was mended
    pair.flows(doomed)
    assert role(cluster.replica) == "master"
    publisher.publish("nobody is there", unheard)
    publisher.close()
    until(lambda: pair.healthy)
    cluster.masters[0].start()
    until(lambda: link_is_up(cluster.masters[0]))
    pair.flows(*pair.groups)
    pair.settle(busy)
    assert pair.wrong() == []
    assert [pair.gaps(group) for group in others] == [[[], []]] * 2
    assert pair.healthy


def test_a_replica_that_lacks_messages_takes_over_and_the_gap_is_told(
    cluster: RedisCluster, pair: TwoNodes
) -> None:
    group = pair.groups[0]
    assert pair.publish(group)
    until(lambda: in_step(cluster))
    cluster.replica.freeze()
    ask(cluster.masters[0], "CLIENT KILL", "TYPE", "replica")
    lacking = [str(pair.publish(group)) for _ in range(3)]
    pair.read_to(group, lacking[-1])
    cluster.masters[0].kill()
    cluster.replica.thaw()
    pair.settle()
    assert pair.wrong() == []
    assert pair.gaps(group) == [["older"]] * 2


def test_a_slot_that_moves_keeps_its_group_in_order_and_loses_nothing(
    cluster: RedisCluster, pair: TwoNodes
) -> None:
    group = pair.groups[0]
    slot = key_slot(group.encode())
    first, second, third = cluster.masters
    busy = pair.busy()
    pair.flows(*pair.groups)
    for source, target in ((first, second), (second, third), (third, first)):
        cluster.move_slot(slot, source, target)
        assert ask(target, "EXISTS", f"fws:{{{group}}}:stream") == 1
        pair.flows(*pair.groups)
        until(lambda: pair.healthy)
    pair.settle(busy)
    assert pair.wrong(durable=True) == []
    assert [pair.gaps(each) for each in pair.groups] == [[[], []]] * 3
    losses = [each.node.broker.losses for each in pair.nodes]
    assert losses == [0, 0], "the other groups were heard throughout"


def test_while_a_slot_moves_the_other_groups_of_its_master_flow(
    cluster: RedisCluster, pair: TwoNodes, caplog: pytest.LogCaptureFixture
) -> None:
    moving = pair.groups[0]
    other = next(
        name
        for name in map(str, range(99))
        if cluster.master_of(name) is cluster.masters[0]
        and key_slot(name.encode()) != key_slot(moving.encode())
    )
    source, target = cluster.masters[:2]
    assert pair.publish(moving)
    with cluster.slot_on_the_move(key_slot(moving.encode()), source, target):
        waits = gevent.spawn(pair.publish, moving)
        for _ in range(20):
            assert pair.publish(other)
        assert not waits.ready(), "the other group's messages waited for nobody"
    assert waits.get(timeout=PATIENCE)
    assert pair.publish(moving)
    pair.settle()
    assert pair.wrong(durable=True) == []
    told = [each.getMessage() for each in caplog.records if "TRYAGAIN" in each.getMessage()]
    assert len(told) <= 1


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "HEARTBEAT", 0.2)
    monkeypatch.setattr(upkeep, "INTERVAL", 0.2)


@pytest.mark.usefixtures("_quick")
def test_a_node_that_ends_and_one_that_dies_leave_nothing_on_any_master(
    cluster: RedisCluster, pair: TwoNodes
) -> None:
    for group in pair.groups:
        until(partial(has_two_members, pair.nodes[0], group))
        ghost = f"fws:{{{group}}}:members:dead"
        ask(cluster.master_of(group), "HSET", ghost, "m1", "ada")
        ask(cluster.master_of(group), "SADD", f"fws:{{{group}}}:nodes", "dead")
        ask(cluster.master_of("*"), "SADD", "fws:{*}:groups:dead", group)
    ask(cluster.master_of("*"), "SADD", "fws:{*}:nodes", "dead")
    until(lambda: left_of(cluster, "dead") == [])
    ends = pair.nodes[1].node.broker.node_name
    pair.nodes[1].stop(timeout=0.2)
    until(lambda: left_of(cluster, ends) == [])
    assert ask(cluster.master_of("*"), "SCARD", "fws:{*}:nodes") == 1


def left_of(cluster: RedisCluster, node: str) -> list[str]:
    """Keys that name a node, and sets of nodes that have it."""
    found = []
    for master in cluster.masters:
        client = master.client()
        keys = [key.decode() for key in client.scan_iter()]
        found += [key for key in keys if key.endswith(f":{node}")]
        found += [key for key in keys if key.endswith(":nodes") and client.sismember(key, node)]
        client.close()
    return found


@pytest.mark.usefixtures("_quick")
def test_members_that_one_master_has_lost_are_told_again(
    cluster: RedisCluster, pair: TwoNodes
) -> None:
    for group in pair.groups:
        until(partial(has_two_members, pair.nodes[0], group))
    for master in cluster.masters:
        ask(master, "FLUSHALL")
        for group in pair.groups:
            for each in pair.nodes:
                until(partial(knows_both, each, group))


def knows_both(node: FilteredWebSocketServer, group: str) -> bool:
    """Return whether a node knows both members of a group; it must not know only one."""
    try:
        members = node.members(group)
    except StorageAway:
        return False
    assert len(members) == 2
    return True


def test_without_the_cluster_a_node_starts_is_unwell_and_mends_when_it_is_there(
    cluster: RedisCluster, serve: Serve
) -> None:
    for each in cluster.masters:
        each.freeze()
    storage = RedisStorageObject.from_url(cluster.url)
    node = serve([], extra={"storage_object": storage})
    assert not node.node.healthy
    with pytest.raises(StorageAway):
        storage.add("key", "value")
    for each in cluster.masters:
        each.thaw()
    until(lambda: node.node.healthy)
    storage.add("key", "value")
    assert storage.get("key") == {"value"}
    storage.close()


def has_two_members(node: FilteredWebSocketServer, group: str) -> bool:
    """Return whether a node knows both members of a group."""
    return len(node.members(group)) == 2


def in_step(cluster: RedisCluster) -> bool:
    """Return whether the replica has all that its master has."""
    offsets = [ask(each, "ROLE") for each in (cluster.masters[0], cluster.replica)]
    return bool(offsets[0][1] == offsets[1][4])
