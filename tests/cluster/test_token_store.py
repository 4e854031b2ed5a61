"""Tickets, refresh tokens and revocations: the same on all nodes, and no secret in Redis."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
import redis

from fws_gevent.cluster import token_store
from fws_gevent.cluster.token_store import RedisTokenStore
from fws_gevent.errors import StorageAway, StoreFull, SubjectFull, TokenInvalid
from fws_gevent.publisher import Publisher
from fws_gevent.redis_io.entries import REVOKE
from fws_gevent.redis_io.keys import Keys
from fws_gevent.redis_io.publishing import StreamTerms
from fws_gevent.redis_io.urls import servers_at
from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.storage.redis import RedisStorageObject
from fws_gevent.tokens.store import Refresh, Revocation, digest

from ..clients import upgrade
from ..conftest import Connect, Serve, StartRedis
from ..node.guarded import Script, bearer, enter, greeted, guarded
from ..raw_http import exchange
from ..redis_processes import RedisProcess
from ..redis_proxy import proxy_to
from ..waiting import until

MakeStore = Callable[..., RedisTokenStore]
Node = Callable[..., FilteredWebSocketServer]

GRANT = {"subject": "ada", "groups": ["room:*"], "scope": "publish", "at": 1}
REVOKED = (4401, "the token was revoked")


@pytest.fixture
def plain(redis_server: RedisProcess) -> Iterator[Any]:
    """Another application's client."""
    client = redis_server.client()
    yield client
    client.close()


@pytest.fixture
def make(redis_server: RedisProcess) -> Iterator[MakeStore]:
    """Makes the store of a process that follows nothing, with connections of its own."""
    servers = []

    def make_one(port: int = redis_server.port) -> RedisTokenStore:
        servers.append(servers_at("127.0.0.1", port))
        return RedisTokenStore(servers[-1], Keys("fws"), StreamTerms())

    yield make_one
    for each in servers:
        each.close()


@pytest.fixture
def node(redis_server: RedisProcess, serve: Serve) -> Node:
    """Starts a node that asks for tokens."""

    def start(port: int = redis_server.port, **settings: Any) -> FilteredWebSocketServer:
        storage = RedisStorageObject(port=port)
        return guarded(serve, Script, extra={"storage_object": storage}, **settings)

    return start


def followed(server: FilteredWebSocketServer) -> FilteredWebSocketServer:
    """The node, once it hears of all revocations."""
    store: Any = server.tokens.store
    until(lambda: store.following)
    return server


def refused(server: FilteredWebSocketServer, path: str, *headers: str) -> int:
    """The status by which a WebSocket is refused."""
    assert server.server_port
    asked = upgrade(server.server_port, path, ["Connection: close", *headers])
    (answer,) = exchange(server, asked)
    return answer.status


# The store by itself.


def test_a_ticket_can_be_used_once(make: MakeStore, plain: Any) -> None:
    stores, now = [make(), make()], time.time()
    stores[0].put_ticket("d1", {"sub": "ada", "exp": 5}, now + 30, now)
    assert plain.type("fws:{d1}:ticket") == b"string"
    assert 0 < plain.pttl("fws:{d1}:ticket") <= 30_000
    racing = [gevent.spawn(stores[turn % 2].take_ticket, "d1", now) for turn in range(20)]
    gevent.joinall(racing, raise_error=True)
    assert [each.value for each in racing if each.value] == [{"sub": "ada", "exp": 5}]
    assert stores[0].take_ticket("never", now) is None
    assert plain.keys() == [b"fws:{d1}:ticket"]
    assert 0 < plain.pttl("fws:{d1}:ticket") <= token_store.TAKEN * 1000


def test_a_ticket_whose_answer_was_lost_is_taken_all_the_same_and_once(
    make: MakeStore, redis_server: RedisProcess
) -> None:
    with proxy_to(redis_server.port) as proxy:
        store, other, now = make(proxy.port), make(), time.time()
        for digest in ("d1", "d2"):
            store.put_ticket(digest, {"sub": "ada"}, now + 30, now)
            proxy.lose_answer(digest.encode())
            assert store.take_ticket(digest, now) == {"sub": "ada"}
            assert proxy.lost
            for each in (store, other):
                assert each.take_ticket(digest, now) is None


@pytest.mark.parametrize("word", [b"successor", b"TTL", b"own:spent"])
def test_a_refresh_whose_answer_was_lost_anywhere_is_repeated(
    word: bytes, make: MakeStore, redis_server: RedisProcess
) -> None:
    with proxy_to(redis_server.port) as proxy:
        store, now = make(proxy.port), time.time()
        store.put_refresh("d", Refresh(GRANT, "f"), now + 60, now)
        store.spend_refresh("unknown", now)  # so that Redis knows the script
        proxy.lose_answer(word)
        with pytest.raises(StorageAway):
            store.spend_refresh("d", now, "salt", 20.0)
        assert proxy.lost
        found = make().spend_refresh("d", now, "another", 20.0)
        assert found is not None
        assert (found.spent, found.salt) == (True, "salt")


def test_junk_among_the_revocations_keeps_none_from_being_learnt(
    make: MakeStore, plain: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store, now = make(), int(time.time())
    store.revoke(Revocation("sub", "ada", now), now + 60, now)
    plain.hset("fws:{*}:revoked", mapping={b"\xff": 1, "sub:bob": "x", "who:eve": 5, "jti": "inf"})
    late = make()
    late.load()
    assert late.following
    assert late.revoked_at("sub", "ada") == now
    assert "ignored 4 malformed revocations" in caplog.text


def test_expired_entries_are_deleted_by_redis(make: MakeStore, plain: Any) -> None:
    store, now = make(), time.time()
    store.put_ticket("d1", {}, now - 1, now)
    store.put_refresh("d2", Refresh(GRANT, "f"), now + 0.001, now)
    store.put_refresh("d3", Refresh(GRANT, "f"), now + 60, now)
    owned = f"fws:{{{digest('ada')}}}:own:refresh".encode()
    until(lambda: sorted(plain.keys()) == sorted([b"fws:{d3}:refresh", owned]))
    assert 0 < plain.ttl(owned) <= 60
    assert store.take_ticket("d1", now) is None
    assert store.find_refresh("d2", now) is None
    assert store.spend_refresh("d2", now) is None


def test_a_refresh_token_is_unspent_at_its_first_use_alone(make: MakeStore, plain: Any) -> None:
    stores, now = [make(), make()], time.time()
    stores[0].put_refresh("d", Refresh(GRANT, "f"), now + 60, now)
    for store in stores:
        assert store.find_refresh("d", now) == Refresh(GRANT, "f", spent=False)
    racing = [gevent.spawn(stores[turn % 2].spend_refresh, "d", now) for turn in range(20)]
    gevent.joinall(racing, raise_error=True)
    found = [each.value for each in racing]
    assert found.count(Refresh(GRANT, "f", spent=False)) == 1
    assert found.count(Refresh(GRANT, "f", spent=True)) == 19
    assert stores[1].find_refresh("d", now) == Refresh(GRANT, "f", spent=True)
    assert 50_000 < plain.pttl("fws:{d}:refresh") <= 60_000  # it lives no longer for being used
    stores[0].put_refresh("e", Refresh(GRANT, "f", spent=True), now + 60, now)
    assert stores[0].spend_refresh("e", now) == Refresh(GRANT, "f", spent=True)


def test_the_successor_is_kept_for_a_retry_in_all_processes(make: MakeStore, plain: Any) -> None:
    stores, now = [make(), make()], time.time()
    stores[0].put_refresh("d", Refresh(GRANT, "f"), now + 60, now)
    racing = [
        gevent.spawn(stores[turn % 2].spend_refresh, "d", now, f"salt {turn}", 20.0)
        for turn in range(10)
    ]
    gevent.joinall(racing, raise_error=True)
    found = [each.value for each in racing]
    assert [each is not None and each.spent for each in found].count(False) == 1
    (salt,) = {each.salt for each in found if each is not None}
    assert plain.get("fws:{d}:successor") == salt.encode()
    assert 10_000 < plain.pttl("fws:{d}:successor") <= 20_000
    plain.delete("fws:{d}:successor")
    late = stores[1].spend_refresh("d", now, "another", 20.0)
    assert late is not None
    assert (late.spent, late.salt) == (True, "")
    stores[0].put_refresh("d", Refresh(GRANT, "f"), now + 60, now)  # as a retry does
    assert stores[1].find_refresh("d", now) == Refresh(GRANT, "f", spent=True)


def test_a_subject_has_so_many_in_redis_and_its_oldest_gives_way(
    make: MakeStore, plain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TICKETS_EACH", "REFRESH_EACH", "SPENT_EACH", "REVOKED_EACH"):
        monkeypatch.setattr(token_store, name, 2)
    store, now = make(), time.time()
    bob = Refresh({**GRANT, "subject": "bob"}, "f")
    for number in range(3):
        store.put_ticket(f"t{number}", {"sub": "ada"}, now + 30 + number, now)
        store.put_refresh(f"r{number}", Refresh(GRANT, "f"), now + 30 + number, now)
        store.put_refresh(f"b{number}", bob, now + 30 + number, now)
        store.spend_refresh(f"b{number}", now)
    names = {key.decode() for key in plain.scan_iter() if b":own:" not in key}
    assert names == {f"fws:{{{each}}}:{kind}" for each, kind in (
        ("t1", "ticket"), ("t2", "ticket"), ("r1", "refresh"), ("r2", "refresh"),
        ("b1", "refresh"), ("b2", "refresh"),
    )}  # fmt: skip
    for number in range(2):
        store.revoke(Revocation("jti", f"{number}", 5), now + 30, now, "ada")
        store.revoke(Revocation("jti", f"{number}", 5), now + 30, now, "ada")
    with pytest.raises(SubjectFull):
        store.revoke(Revocation("jti", "more", 5), now + 30, now, "ada")
    store.revoke(Revocation("jti", "his", 5), now + 30, now, "bob")
    store.revoke(Revocation("jti", "more", 5), now + 60, now + 31, "ada")


def test_a_revocation_counts_in_all_processes(make: MakeStore, plain: Any) -> None:
    stores, now = [make(), make()], int(time.time())
    stores[0].revoke(Revocation("sub", "a:b c", now), now + 60, now)
    stores[0].revoke(Revocation("jti", "j", now), now + 90, now)
    for store in stores:
        assert store.revoked_at("sub", "a:b c") == now
        assert store.revoked_at("jti", "j") == now
        assert store.revoked_at("family", "j") is None
    stores[1].revoke(Revocation("sub", "a:b c", now - 5), now + 30, now)
    assert stores[0].revoked_at("sub", "a:b c") == now
    assert plain.zscore("fws:{*}:revoked_until", "sub:a:b c") == now + 60
    for key in ("fws:{*}:revoked", "fws:{*}:revoked_until"):
        assert 80 < plain.ttl(key) <= 90


def test_an_expired_entry_makes_room(
    make: MakeStore, plain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_store, "MAX_REVOCATIONS", 2)
    store, now = make(), int(time.time())
    for name, until_then in (("a", now + 5), ("b", now + 60)):
        store.revoke(Revocation("jti", name, now), until_then, now)
    with pytest.raises(StoreFull):
        store.revoke(Revocation("jti", "c", now), now + 60, now)
    store.revoke(Revocation("jti", "b", now), now + 70, now)  # known, so it needs no room
    store.revoke(Revocation("jti", "c", now + 6), now + 60, now + 6)
    assert set(plain.hgetall("fws:{*}:revoked")) == {b"jti:b", b"jti:c"}
    assert plain.zrange("fws:{*}:revoked_until", 0, -1) == [b"jti:c", b"jti:b"]


def test_scripts_that_redis_has_forgotten_are_sent_again(make: MakeStore, plain: Any) -> None:
    store, now = make(), int(time.time())
    store.put_refresh("d", Refresh(GRANT, "f"), now + 60, now)
    for spent in (False, True):
        plain.script_flush()
        assert store.spend_refresh("d", now) == Refresh(GRANT, "f", spent=spent)
        store.revoke(Revocation("jti", "j", now), now + 60, now)


def test_load_reads_earlier_revocations(make: MakeStore) -> None:
    early, late = make(), make()
    heard: list[Revocation] = []
    now = int(time.time())
    for kind, value in (("sub", "ada"), ("jti", "j:1"), ("family", "grüße")):
        early.revoke(Revocation(kind, value, now), now + 60, now)  # type: ignore[arg-type]
    late.listen(heard.append)
    late.load()
    assert late.following
    assert set(heard) == {
        ("sub", "ada", now), ("jti", "j:1", now), ("family", "grüße", now)
    }  # fmt: skip
    assert late.revoked_at("family", "grüße") == now
    late.load()
    assert len(heard) == 3


def test_one_that_follows_asks_nothing_of_redis(make: MakeStore, start_redis: StartRedis) -> None:
    process = start_redis()
    store, now = make(process.port), int(time.time())
    store.revoke(Revocation("jti", "j", now), now + 60, now)
    store.load()
    process.kill()
    assert store.revoked_at("jti", "j") == now
    assert store.revoked_at("jti", "other") is None
    store.on_revoked(f"sub:a b {now} {now + 60}".encode())
    assert store.revoked_at("sub", "a b") == now


@pytest.mark.parametrize("junk", [
    b"", b"jti", b"jti:x 1", b"jti:x one two", b"jti:x 1 nan2", b"jti:x inf 2", b"\xff:x 1 2",
    b"who:x 1 2",
])  # fmt: skip
def test_a_malformed_revocation_is_ignored(
    junk: bytes, make: MakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    store = make()
    store.following = True
    store.on_revoked(junk)
    assert "malformed revocation" in caplog.text
    assert store.revoked_at("jti", "x") is None


def test_while_redis_is_away_each_call_says_so(start_redis: StartRedis, make: MakeStore) -> None:
    process = start_redis()
    store, now = make(process.port), time.time()
    store.put_ticket("d", {}, now + 60, now)
    process.kill()
    calls: list[Callable[[], Any]] = [
        lambda: store.put_ticket("d", {}, now + 60, now),
        lambda: store.take_ticket("d", now),
        lambda: store.put_refresh("d", Refresh(GRANT, "f"), now + 60, now),
        lambda: store.find_refresh("d", now),
        lambda: store.spend_refresh("d", now),
        lambda: store.revoke(Revocation("jti", "j", 1), now + 60, now),
        lambda: store.revoked_at("jti", "j"),
    ]
    for call in calls:
        with gevent.Timeout(20), pytest.raises(StorageAway) as away:
            call()
        assert not isinstance(away.value, redis.RedisError)
    process.start()
    store.put_ticket("d", {"sub": "ada"}, now + 60, now)
    assert store.take_ticket("d", now) == {"sub": "ada"}


# Through servers.


def test_redis_knows_secrets_by_their_digests_alone(
    node: Node, connect: Connect, plain: Any
) -> None:
    tokens = followed(node()).tokens
    token = tokens.issue("ada")
    refresh, family = tokens.issue_refresh("ada", ["room:*"])
    spent, _ = tokens.issue_refresh("ada")
    ticket = tokens.issue_ticket(tokens.verify(token))
    tokens.spend_refresh(spent)
    tokens.revoke(tokens.verify(token))
    held = dump(plain)
    for secret in (token, refresh, spent, ticket):
        assert secret.encode() not in held
    for secret in (refresh, spent, ticket):
        assert digest(secret).encode() in held
    assert family.encode() in held


def dump(plain: Any) -> bytes:
    """All names of keys, and all that is under them."""
    readers = {
        b"string": plain.get, b"set": plain.smembers, b"hash": plain.hgetall,
        b"zset": lambda key: plain.zrange(key, 0, -1), b"stream": plain.xrange,
    }  # fmt: skip
    return b"\n".join(
        key + b" " + flat(readers[plain.type(key)](key)) for key in plain.scan_iter()
    )  # fmt: skip


def flat(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        return b" ".join(flat(part) for pair in value.items() for part in pair)
    return b" ".join(flat(part) for part in value or ())


def test_a_ticket_of_one_node_opens_one_connection_on_another(node: Node, connect: Connect) -> None:
    one, two = node(), node()
    ticket = one.tokens.issue_ticket(one.tokens.verify(one.tokens.issue("ada")))
    client = connect(two, f"/?ticket={ticket}")
    client.send("who")
    assert client.receive() == "ada"
    for server in (one, two):
        assert refused(server, f"/?ticket={ticket}") == 401
        with pytest.raises(TokenInvalid):
            server.tokens.redeem(ticket)


def test_a_refresh_token_used_twice_on_different_nodes_ends_its_family_on_all(
    node: Node, connect: Connect
) -> None:
    one, two = (followed(node(refresh_grace=0.0)) for _ in range(2))
    refresh, family = one.tokens.issue_refresh("ada")
    client = enter(two, connect, one.tokens.issue("ada", family=family))
    assert two.tokens.spend_refresh(refresh).family == family
    greeted(client)
    with pytest.raises(TokenInvalid):
        one.tokens.spend_refresh(refresh)
    assert client.frame().close == REVOKED
    successor, _ = two.tokens.issue_refresh("ada", family=family)
    with pytest.raises(TokenInvalid):
        one.tokens.spend_refresh(successor)


def test_a_revocation_ends_connections_on_other_nodes(node: Node, connect: Connect) -> None:
    one, two = followed(node()), followed(node())
    token = one.tokens.issue("ada")
    issued = (token, one.tokens.issue("ada"), one.tokens.issue("bob"))
    ada, other_ada, bob = (enter(two, connect, each) for each in issued)
    one.tokens.revoke(one.tokens.verify(token))
    assert ada.frame().close == REVOKED
    greeted(other_ada)
    with pytest.raises(TokenInvalid, match="revoked"):
        two.tokens.verify(token)
    one.tokens.revoke_subject("ada")
    assert other_ada.frame().close == REVOKED
    greeted(bob)


def test_a_process_without_clients_revokes_on_all_nodes(
    node: Node, make: MakeStore, connect: Connect
) -> None:
    server = followed(node())
    client = enter(server, connect, server.tokens.issue("ada"))
    now = int(time.time())
    make().revoke(Revocation("sub", "ada", now), now + 60, now)
    assert client.frame().close == REVOKED


def test_a_node_that_starts_later_knows_earlier_revocations(node: Node, connect: Connect) -> None:
    one = followed(node())
    token = one.tokens.issue("ada")
    one.tokens.revoke(one.tokens.verify(token))
    two = node()
    assert refused(two, "/", *bearer(token)) == 401
    followed(two)
    with pytest.raises(TokenInvalid, match="revoked"):
        two.tokens.verify(token)


def test_a_revocation_during_an_outage_closes_connections_afterwards(
    node: Node, make: MakeStore, connect: Connect, start_redis: StartRedis
) -> None:
    process = start_redis(persistent=True)
    server = followed(node(process.port))
    client = enter(server, connect, server.tokens.issue("ada"))
    now = int(time.time())
    process.kill()
    until(lambda: not server.node.healthy)
    greeted(client)
    enter(server, connect, server.tokens.issue("bob"))  # checked without Redis
    process.start()
    make(process.port).revoke(Revocation("sub", "ada", now), now + 60, now)
    assert client.frame().close == REVOKED


def test_a_junk_revocation_in_the_stream_harms_nothing(
    redis_server: RedisProcess, node: Node, connect: Connect
) -> None:
    server = followed(node())
    client = enter(server, connect, server.tokens.issue("ada"))
    publisher = Publisher(redis_server.url)
    for junk in (b"", b"\xff", json.dumps({"a": 1}).encode()):
        publisher.send(publisher.publication(None, REVOKE, junk))
    publisher.close()
    server.tokens.revoke_subject("ada")
    assert client.frame().close == REVOKED


def test_while_redis_is_away_tokens_are_checked_and_tickets_wait(
    node: Node, connect: Connect, start_redis: StartRedis
) -> None:
    process = start_redis()
    server = followed(node(process.port))
    ticket = server.tokens.issue_ticket(server.tokens.verify(server.tokens.issue("ada")))
    process.kill()
    assert refused(server, f"/?ticket={ticket}") == 503
    enter(server, connect, server.tokens.issue("ada"))
