"""The names of keys: related keys share a hash tag, and each key has a name of its own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

from fws_gevent.errors import ConfigurationError
from fws_gevent.redis_io.keys import EVERYBODY, Keys, tag

KEYS = Keys("fws")

names = st.text(alphabet=st.sampled_from("ab%{}*:257BDA é\ud800"), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("group", "stream"),
    [
        ("kitchen", b"fws:{kitchen}:stream"),
        ("subject:ann", b"fws:{subject:ann}:stream"),
        (None, b"fws:{*}:stream"),
        ("*", b"fws:{%2A}:stream"),
        ("a{b}c", b"fws:{a%7Bb%7Dc}:stream"),
        ("100%", b"fws:{100%25}:stream"),
        ("küche", "fws:{küche}:stream".encode()),
        ("\udcff", b"fws:{\xed\xb3\xbf}:stream"),
    ],
)
def test_a_stream_is_named_as_documented(group: str | None, stream: bytes) -> None:
    assert KEYS.stream(group) == stream


def test_every_other_key_is_named_as_documented() -> None:
    assert KEYS.sent("kitchen", "order-7") == b"fws:{kitchen}:sent:order-7"
    assert KEYS.sent(None, "order-7") == b"fws:{*}:sent:order-7"
    assert KEYS.members("kitchen", "n1") == b"fws:{kitchen}:members:n1"
    assert KEYS.holders("kitchen") == b"fws:{kitchen}:nodes"
    assert KEYS.nodes == b"fws:{*}:nodes"
    assert KEYS.node("n1") == b"fws:{*}:node:n1"
    assert KEYS.groups("n1") == b"fws:{*}:groups:n1"
    assert KEYS.cleaning("n1") == b"fws:{*}:cleaning:n1"
    assert KEYS.revoked == b"fws:{*}:revoked"
    assert KEYS.revoked_until == b"fws:{*}:revoked_until"
    assert KEYS.ticket("d1") == b"fws:{d1}:ticket"
    assert KEYS.refresh("d1") == b"fws:{d1}:refresh"
    assert KEYS.data(b"colours") == b"fws:colours"


def test_every_key_begins_with_the_prefix() -> None:
    ours = Keys("shop/é")
    for name in (ours.stream("a"), ours.nodes, ours.ticket("d"), ours.data(b"x")):
        assert name.startswith("shop/é:".encode())


@pytest.mark.parametrize("prefix", ["", "{fws}", "f{ws", "my key", "fws*", "fws\n"])
def test_a_prefix_that_would_change_slots_or_patterns_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^the prefix of Redis keys must"):
        Keys(prefix)


@settings(deadline=None)
@given(names, names)
def test_two_groups_never_share_a_tag(one: str, other: str) -> None:
    assert (tag(one) == tag(other)) is (one == other)
    assert tag(one) != EVERYBODY


@settings(deadline=None)
@given(st.none() | names, names)
def test_the_keys_of_one_script_are_in_one_slot(group: str | None, other: str) -> None:
    """A Redis Cluster refuses a script whose keys are not."""
    slot = key_slot(KEYS.stream(group))
    assert key_slot(KEYS.sent(group, other)) == slot
    assert key_slot(KEYS.stream(group)) == key_slot(tag(group).encode("utf-8", "surrogatepass"))
    if group is not None:
        assert key_slot(KEYS.members(group, other)) == slot
        assert key_slot(KEYS.holders(group)) == slot


def test_revocations_are_in_the_slot_of_everybodys_stream() -> None:
    slot = key_slot(KEYS.stream(None))
    assert key_slot(KEYS.revoked) == key_slot(KEYS.revoked_until) == slot


@pytest.mark.parametrize("key", [b"{*}:nodes", b"{kitchen}:stream", b"{"])
def test_the_storage_object_cannot_reach_the_servers_own_keys(key: bytes) -> None:
    with pytest.raises(ValueError, match="brace"):
        KEYS.data(key)


@pytest.mark.parametrize("key", [b"", b"a{b}", b"\xff\x00", b"%", b"*"])
def test_the_storage_object_may_use_every_other_name(key: bytes) -> None:
    assert KEYS.data(key) == b"fws:" + key
