"""The scripts that keep presence, revocations and refresh tokens, against a real Redis."""

from __future__ import annotations

from fws_gevent.redis_io.scripts import SPEND

from .script_calls import EVERYBODY, HOLDERS, MEMBERS, REVOKED, STREAM, UNTIL, Calls

NOW = 2_000_000_000.5
"""In the future, so that Redis doesn't expire what it keeps."""

KEY = b"fws:{d1}:refresh"
SALT = b"fws:{d1}:successor"


def test_a_join_is_kept_and_told_once(calls: Calls) -> None:
    calls.resume()
    assert calls.presence("+c1/ann") == 1
    assert calls.presence("+c1/ann", "+c1/ann") == 1
    assert calls.presence("+c2/bob") == 2
    assert calls.client.hgetall(MEMBERS) == {b"c1": b"ann", b"c2": b"bob"}
    assert calls.client.smembers(HOLDERS) == {b"n1"}
    assert calls.told() == [
        (b"join", {"id": "c1", "subject": "ann", "node": "n1"}),
        (b"join", {"id": "c2", "subject": "bob", "node": "n1"}),
    ]


def test_a_leave_is_told_once_with_the_subject_that_joined(calls: Calls) -> None:
    calls.presence("+c1/ann", "+c2/bob")
    calls.resume()
    assert calls.presence("-c1/") == 1
    assert calls.presence("-c1/", "-c9/") == 1
    assert calls.told() == [(b"leave", {"id": "c1", "subject": "ann", "node": "n1"})]


def test_changes_are_made_and_told_in_their_order(calls: Calls) -> None:
    calls.resume()
    assert calls.presence("+c1/ann", "-c1/", "+c1/ann", "+c2/bob", "-c2/") == 1
    kinds = [(kind, who["id"]) for kind, who in calls.told()]
    assert kinds == [(b"join", "c1"), (b"leave", "c1"), (b"join", "c1"), (b"join", "c2"),
                     (b"leave", "c2")]  # fmt: skip
    assert calls.client.hgetall(MEMBERS) == {b"c1": b"ann"}


def test_every_change_has_a_nonce_of_its_own(calls: Calls) -> None:
    calls.resume()
    calls.presence("+c1/ann", "+c2/bob", nonce="p")
    nonces = [fields[b"nonce"] for _, fields in calls.stream()]
    assert len(set(nonces)) == len(nonces) == 3


def test_a_group_without_a_stream_is_not_told(calls: Calls) -> None:
    calls.presence("+c1/ann", "+c2/bob")
    calls.presence("-c1/")
    calls.presence("+c3/eve")
    assert not calls.client.exists(STREAM)


def test_a_node_without_members_leaves_nothing(calls: Calls) -> None:
    calls.presence("+c1/ann", "+c2/bob")
    assert calls.presence("-c1/", "-c2/") == 0
    assert calls.client.keys() == []


def test_without_changes_a_node_is_entered_or_taken_out_as_it_has_members(calls: Calls) -> None:
    calls.presence("+c1/ann")
    calls.client.delete(HOLDERS)
    assert calls.presence() == 1
    assert calls.client.smembers(HOLDERS) == {b"n1"}
    calls.client.delete(MEMBERS)
    assert calls.presence() == 0
    assert calls.client.keys() == []


def test_other_nodes_with_members_stay(calls: Calls) -> None:
    calls.client.sadd(HOLDERS, "n2")
    calls.presence("+c1/ann")
    calls.presence("-c1/")
    assert calls.client.smembers(HOLDERS) == {b"n2"}


def test_all_of_it_expires(calls: Calls) -> None:
    calls.presence("+c1/ann", life=30_000)
    for key in (MEMBERS, HOLDERS):
        assert 0 < calls.client.pttl(key) <= 30_000


def test_a_subject_may_be_any_text(calls: Calls) -> None:
    calls.resume()
    calls.presence('+c1/"é\\\n')
    [(_, who)] = calls.told()
    assert who["subject"] == '"é\\\n'


def test_a_revocation_is_kept_and_told_to_all(calls: Calls) -> None:
    assert calls.revoke("sub:ann", 2_000_000_000, NOW + 60, now=NOW) == 1
    assert calls.client.hgetall(REVOKED) == {b"sub:ann": b"2000000000"}
    assert calls.client.zscore(UNTIL, "sub:ann") == NOW + 60
    [(_, fields)] = calls.stream(EVERYBODY)
    assert fields[b"kind"] == b"revoke"
    name, at, until = fields[b"data"].split(b" ")
    assert (name, int(at), float(until)) == (b"sub:ann", 2_000_000_000, NOW + 60)


def test_times_only_grow(calls: Calls) -> None:
    calls.revoke("sub:ann", 2_000_000_010, NOW + 60, now=NOW)
    calls.revoke("sub:ann", 2_000_000_005, NOW + 30, now=NOW)
    assert calls.client.hget(REVOKED, "sub:ann") == b"2000000010"
    assert calls.client.zscore(UNTIL, "sub:ann") == NOW + 60
    calls.revoke("sub:ann", 2_000_000_020, NOW + 90, now=NOW)
    assert calls.client.hget(REVOKED, "sub:ann") == b"2000000020"
    assert calls.client.zscore(UNTIL, "sub:ann") == NOW + 90


def test_where_no_room_is_left_it_is_neither_kept_nor_told(calls: Calls) -> None:
    for number in range(3):
        assert calls.revoke(f"jti:{number}", 1, NOW + 60, now=NOW, most=3) == 1
    assert calls.revoke("jti:3", 1, NOW + 60, now=NOW, most=3) == 0
    assert calls.client.hlen(REVOKED) == calls.client.zcard(UNTIL) == 3
    assert len(calls.stream(EVERYBODY)) == 3


def test_a_repeated_revocation_needs_no_room(calls: Calls) -> None:
    calls.revoke("sub:ann", 1, NOW + 60, now=NOW, most=1)
    assert calls.revoke("sub:ann", 2, NOW + 60, now=NOW, most=1) == 1


def test_those_that_are_over_are_forgotten_and_make_room(calls: Calls) -> None:
    calls.revoke("jti:1", 1, NOW + 10, now=NOW, most=2)
    calls.revoke("jti:2", 1, NOW + 99, now=NOW, most=2)
    assert calls.revoke("jti:3", 1, NOW + 99, now=NOW + 11, most=2) == 1
    assert set(calls.client.hkeys(REVOKED)) == {b"jti:2", b"jti:3"}
    assert set(calls.client.zrange(UNTIL, 0, -1)) == {b"jti:2", b"jti:3"}


def test_all_of_it_expires_with_the_last(calls: Calls) -> None:
    calls.revoke("jti:1", 1, NOW + 99, now=NOW)
    calls.revoke("jti:2", 1, NOW + 10, now=NOW)
    for key in (REVOKED, UNTIL):
        assert calls.client.expiretime(key) == 2_000_000_100


def test_only_the_first_finds_it_unspent_and_all_find_the_first_ones_salt(calls: Calls) -> None:
    calls.client.set(KEY, '0{"family":"f"}', px=30_000)
    assert calls.run(SPEND, [KEY, SALT], "one", 20_000) == [b'0{"family":"f"}', b"one"]
    for salt in ("two", "three"):
        assert calls.run(SPEND, [KEY, SALT], salt, 20_000) == [b'1{"family":"f"}', b"one"]
    calls.client.delete(SALT)
    assert calls.run(SPEND, [KEY, SALT], "four", 20_000) == [b'1{"family":"f"}', b""]
    assert not calls.client.exists(SALT)


def test_it_lives_as_long_as_before_and_the_salt_as_long_as_is_asked_for(calls: Calls) -> None:
    for kept in (20_000, 0):
        calls.client.set(KEY, "0{}", px=30_000)
        calls.client.delete(SALT)
        calls.run(SPEND, [KEY, SALT], "one", kept)
        assert 0 < calls.client.pttl(KEY) <= 30_000
        assert calls.client.pttl(SALT) <= kept
        assert calls.client.exists(SALT) == bool(kept)


def test_a_missing_token_is_not_created(calls: Calls) -> None:
    assert calls.run(SPEND, [KEY, SALT], "one", 20_000) == []
    assert not calls.client.exists(KEY, SALT)
