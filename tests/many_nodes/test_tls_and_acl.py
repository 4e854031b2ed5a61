"""A Redis with TLS, and one with users that have only the necessary permissions."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from fws_gevent.errors import PublishFailed, StorageAway
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.storage.redis import RedisStorageObject
from fws_gevent.tokens.store import Refresh, Revocation

from .. import programs
from ..certificates import Identity, make_identity, make_signed
from ..conftest import Connect, Serve, StartRedis
from ..redis_processes import RedisProcess
from ..waiting import free_port, until
from .redis_groups import TwoNodes, ask

GROUP = "room"

USER = (
    "fws on >let+me:in resetkeys ~fws:* resetchannels &fws:* &global -@all "
    "+ping +time +client|setname +eval +evalsha +script|load "
    "+subscribe +unsubscribe +publish "
    "+get +set +getrange +setrange +mget +del +exists +expire +pexpire +ttl +expireat "
    "+sadd +srem +smembers +sismember +sscan "
    "+hset +hget +hscan +hlen +hdel "
    "+zadd +zcard +zpopmin +zscan +zscore +zrem +zremrangebyscore +zrangebyscore +zrevrange "
    "+xadd +xrange +xrevrange"
)
"""The permissions that a node needs, as in docs/redis_operations.md.

`global` is from --redis_channels.
"""

PASSWORD = "let%2Bme%3Ain"


class Guarded(NamedTuple):
    """A Redis with TLS, and the files with which to get in."""

    redis: RedisProcess
    port: int
    authority: Identity
    ours: Identity

    def url(self, authority: str, ours: Identity | None) -> str:
        certificate = f"&ssl_certfile={ours.cert}&ssl_keyfile={ours.key}" if ours else ""
        return f"rediss://127.0.0.1:{self.port}/0?ssl_ca_certs={authority}{certificate}"


@pytest.fixture
def guarded(tmp_path: Path, start_redis: StartRedis) -> Guarded:
    programs.require_tls()
    authority = make_identity(tmp_path / "authority")
    theirs, ours = (make_signed(authority, tmp_path / name) for name in ("theirs", "ours"))
    port = free_port()
    redis = start_redis([
        "--tls-port", str(port), "--tls-cert-file", theirs.cert, "--tls-key-file", theirs.key,
        "--tls-ca-cert-file", authority.cert, "--tls-auth-clients", "yes",
    ])  # fmt: skip
    return Guarded(redis, port, authority, ours)


def test_messages_flow_over_tls_with_certificates_of_both_sides(
    guarded: Guarded, serve: Serve, connect: Connect
) -> None:
    pair = TwoNodes(guarded.url(guarded.authority.cert, guarded.ours), serve, connect, [GROUP])
    assert pair.healthy
    for number in range(20):
        assert pair.publish(GROUP, number % 2)
    pair.settle()
    assert pair.wrong(durable=True) == []
    # All connections used TLS: only this question came over the other port.
    clients = ask(guarded.redis, "CLIENT LIST")
    ports = {each["laddr"].rpartition(":")[2] for each in clients if each["name"] == "fws"}
    assert ports == {str(guarded.port)}
    pair.close()


@pytest.mark.parametrize("what", ["another authority", "no certificate of ours"])
def test_a_redis_that_cannot_be_trusted_or_trusts_us_not_is_never_spoken_to(
    guarded: Guarded, serve: Serve, caplog: pytest.LogCaptureFixture, tmp_path: Path, what: str
) -> None:
    if what == "another authority":
        url = guarded.url(make_identity(tmp_path / "wrong").cert, guarded.ours)
    else:
        url = guarded.url(guarded.authority.cert, None)
    with caplog.at_level(logging.ERROR, "fws_gevent.redis"):
        refused(url, serve)
    # With TLS 1.3 we may have begun to write when Redis hangs up, and its reason is lost then.
    told = {
        "another authority": ("certificate verify failed",),
        "no certificate of ours": ("certificate required", "eof occurred", "connection reset"),
    }[what]
    assert any(each in caplog.text.lower() for each in told)
    assert "Traceback" not in caplog.text


def test_a_user_with_the_least_permissions_can_do_all(
    start_redis: StartRedis, serve: Serve, connect: Connect
) -> None:
    redis = start_redis()
    ask(redis, "ACL", "SETUSER", *USER.split())
    ask(redis, "CONFIG", "RESETSTAT")
    pair = TwoNodes(f"redis://fws:{PASSWORD}@127.0.0.1:{redis.port}/0", serve, connect, [GROUP])
    ask(redis, "SADD", "fws:{*}:nodes", "dead")
    assert pair.healthy
    here, there = pair.storages
    ours, theirs = (node.tokens.store for node in pair.nodes)
    for number in range(20):
        assert pair.publish(GROUP, number % 2)
    until(lambda: all(len(node.members(GROUP)) == 2 for node in pair.nodes))
    here.add("key", "value")
    assert there.get("key") == {"value"}
    there.remove("key", "value")
    here.publish("global", "to the consumer chain")
    now = time.time()
    ours.put_ticket("digest", {"sub": "me"}, now + 60, now)
    assert theirs.take_ticket("digest", now) == {"sub": "me"}
    ours.put_refresh("digest", Refresh({"subject": "me"}, "family"), now + 60, now)
    for spent in (False, True):
        found = theirs.spend_refresh("digest", now)
        assert found is not None
        assert found.spent is spent
    assert ours.find_refresh("digest", now)
    ours.revoke(Revocation("sub", "old", int(now)), now + 60, now)
    ours.revoke(Revocation("sub", "me", int(now)), now + 120, now + 61)
    until(lambda: theirs.revoked_at("sub", "me") == int(now))
    ask(redis, "CLIENT", "KILL", "TYPE", "pubsub")
    pair.settle()
    assert pair.wrong(durable=True) == []
    for _, member, _ in pair.members:
        member.drop()
    until(lambda: not any(node.members(GROUP) for node in pair.nodes))
    until(lambda: "sscan" in used(redis))
    for node in pair.nodes:
        node.stop(timeout=0.2)
    pair.close()
    # From 7.2 on, redis-py asks to tell its own name, and does without that where it may not.
    denied = {each["object"] for each in ask(redis, "ACL LOG")}
    assert denied <= {"client|setinfo"}
    allowed = {each[1:] for each in USER.split() if each.startswith("+")}
    # The oldest tokens of a subject give way only where there are too many.
    assert allowed - used(redis) == {"zpopmin"}


@pytest.mark.parametrize("user", ["fws:wrong", f"nobody:{PASSWORD}", ""])
def test_a_node_that_redis_refuses_logs_why_and_serves(
    start_redis: StartRedis, serve: Serve, caplog: pytest.LogCaptureFixture, user: str
) -> None:
    redis = start_redis()
    ask(redis, "ACL", "SETUSER", *USER.split())
    ask(redis, "ACL", "SETUSER", "default", "on", "resetpass", ">admin")
    at = f"{user}@" if user else ""
    with caplog.at_level(logging.ERROR, "fws_gevent.redis"):
        refused(f"redis://{at}127.0.0.1:{redis.port}/0", serve)
    assert "invalid username-password" in caplog.text or "Authentication required" in caplog.text
    assert "wrong" not in caplog.text.replace("WRONGPASS", "")


def test_a_node_that_redis_accepts_later_needs_no_restart(
    start_redis: StartRedis, serve: Serve
) -> None:
    redis = start_redis()
    storage, node = refused(f"redis://fws:{PASSWORD}@127.0.0.1:{redis.port}/0", serve)
    ask(redis, "ACL", "SETUSER", *USER.split())
    until(lambda: node.node.healthy)
    storage.add("key", "value")
    assert storage.get("key") == {"value"}
    storage.close()


def refused(url: str, serve: Serve) -> tuple[RedisStorageObject, FilteredWebSocketServer]:
    """A node that Redis does not let in: it says so in every way, and goes on."""
    storage = RedisStorageObject.from_url(url)
    node = serve([], extra={"storage_object": storage}, publish_timeout=0.5)
    assert not node.node.healthy
    calls: list[Callable[[], object]] = [
        lambda: storage.get("key"),
        lambda: storage.add("key", "value"),
        lambda: node.members(GROUP),
        lambda: node.tokens.store.take_ticket("digest", 0.0),
    ]
    for call in calls:
        with pytest.raises(StorageAway):
            call()
    with pytest.raises(PublishFailed):
        node.broadcast("text", GROUP)
    storage.close()
    return storage, node


def used(redis: RedisProcess) -> set[str]:
    """The commands that were called since the statistics were reset."""
    found = ask(redis, "INFO", "commandstats")
    return {name.removeprefix("cmdstat_") for name in found}
