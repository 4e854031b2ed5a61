"""The effects of entries on a node, and malformed entries, which do no harm."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from fws_gevent.cluster.effects import Effect, Effects, When
from fws_gevent.protocol.frames import BINARY, TEXT
from fws_gevent.redis_io.entries import Entry, MalformedEntry
from fws_gevent.signals import Member


class Node:
    """Stands for the server: notes what it is to do."""

    def __init__(self, listens: bool = True) -> None:
        self.done: list[Any] = []
        self.revoked: list[bytes] = []
        self.told: list[tuple[Any, bool]] = []
        self._listens = listens
        self.effects = Effects(cast("Any", self), lambda node: node == "me", self.revoked.append)

    def spread(self, *arguments: Any) -> None:
        self.done.append(("spread", *arguments))

    def hears_members(self, *, joined: bool) -> bool:
        return self._listens

    def tell_member(self, member: Any, *, joined: bool) -> None:
        self.told.append((member, joined))

    def disconnect_here(self, *arguments: Any) -> None:
        self.done.append(("disconnect", *arguments))

    def of(self, kind: bytes, data: bytes, exclude: str = "", group: str | None = "kitchen") -> Any:
        entry = Entry((2, 0), (1, 0), b"e", b"n", kind, exclude, data)
        return self.effects.of(group, entry)


def run(effect: Effect | None) -> When:
    assert effect is not None
    effect.do(*effect.arguments)
    return effect.when


@pytest.mark.parametrize(("kind", "opcode"), [(b"text", TEXT), (b"binary", BINARY)])
@pytest.mark.parametrize("group", ["kitchen", None])
def test_a_message_is_spread_in_its_turn(kind: bytes, opcode: int, group: str | None) -> None:
    node = Node()
    effect = node.of(kind, b"soup", "cook", group)
    assert effect.size == 4
    assert run(effect) is When.IN_TURN
    assert node.done == [("spread", opcode, b"soup", group, "cook")]


@pytest.mark.parametrize("kind", ["join", "leave"])
def test_joins_and_leaves_of_other_nodes_are_told_in_a_runner(kind: str) -> None:
    node = Node()
    who = {"id": "c1", "subject": "ann", "node": "other"}
    assert run(node.of(kind.encode(), json.dumps(who).encode())) is When.IN_RUNNER
    assert node.told == [(Member("kitchen", **who), kind == "join")]


def test_a_member_without_a_subject_is_told_without_one() -> None:
    node = Node()
    run(node.of(b"join", b'{"id": "c1", "subject": "", "node": "other"}'))
    assert node.told[0][0].subject is None


def test_own_members_are_not_told_and_none_without_a_subscriber() -> None:
    assert Node().of(b"join", b'{"id": "c1", "subject": "", "node": "me"}') is None
    assert Node(listens=False).of(b"leave", b'{"id": "c1", "subject": "", "node": "x"}') is None


@pytest.mark.parametrize("name", [None, "c1"])
def test_disconnect_closes_now(name: str | None) -> None:
    node = Node()
    order = json.dumps({"id": name, "code": 4403, "reason": "out"}).encode()
    assert run(node.of(b"disconnect", order)) is When.NOW
    assert node.done == [("disconnect", "kitchen", name, 4403, "out")]


def test_a_revocation_counts_now() -> None:
    node = Node()
    assert run(node.of(b"revoke", b"sub:ann 1 2", group=None)) is When.NOW
    assert node.revoked == [b"sub:ann 1 2"]


def test_the_beginning_of_a_stream_does_nothing() -> None:
    assert Node().of(b"begin", b"") is None


BROKEN = [b"", b"{", b"[]", b"null", b"7", b"\xff", b"[" * 100_000, b"{}", b'{"id": 1}']


@pytest.mark.parametrize("kind", [b"join", b"leave", b"disconnect"])
@pytest.mark.parametrize("data", BROKEN, ids=range(len(BROKEN)))
def test_a_wrong_entry_is_malformed(kind: bytes, data: bytes) -> None:
    with pytest.raises(MalformedEntry):
        Node().of(kind, data)


@pytest.mark.parametrize(
    "order",
    [
        '{"id": [1], "code": 1000, "reason": ""}',
        '{"id": {}, "code": 1000, "reason": ""}',
        '{"id": 5, "code": 1000, "reason": ""}',
        '{"id": "c1", "code": 5, "reason": ""}',
        '{"id": "c1", "code": 1005, "reason": ""}',
        '{"id": "c1", "code": 99999, "reason": ""}',
        '{"id": "c1", "code": Infinity, "reason": ""}',
        '{"id": "c1", "code": NaN, "reason": ""}',
        '{"id": "c1", "code": null, "reason": ""}',
        '{"id": "c1", "code": "x", "reason": ""}',
    ],
)
def test_a_disconnect_that_can_not_be_obeyed_is_malformed(order: str) -> None:
    with pytest.raises(MalformedEntry):
        Node().of(b"disconnect", order.encode())


@pytest.mark.parametrize("data", [b"caf\xe9", b"\xff", b"\xed\xa0\x80", b"\xc3", b"\xc0\x80"])
def test_a_text_that_is_not_utf8_reaches_nobody(data: bytes) -> None:
    node = Node()
    with pytest.raises(MalformedEntry, match="not UTF-8"):
        node.of(b"text", data)
    run(node.of(b"binary", data))
    assert node.done == [("spread", BINARY, data, "kitchen", "")]


@pytest.mark.parametrize("text", ["", "plain", "süß", "\N{SNOWMAN} \U0001f600", "\x00"])
def test_a_text_that_is_utf8_goes_out_as_it_is(text: str) -> None:
    node = Node()
    run(node.of(b"text", text.encode()))
    assert node.done == [("spread", TEXT, text.encode(), "kitchen", "")]


@pytest.mark.parametrize("field", ["id", "subject", "node"])
@pytest.mark.parametrize("value", ["\ud800", 5, True, ["x"], {"x": 1}])
def test_a_member_that_is_not_named_by_texts_is_malformed(field: str, value: Any) -> None:
    who = {"id": "c1", "subject": "ann", "node": "other", field: value}
    with pytest.raises(MalformedEntry, match="not a text"):
        Node().of(b"join", json.dumps(who).encode())


@pytest.mark.parametrize("kind", [b"join", b"leave"])
def test_a_member_of_no_group_is_malformed(kind: bytes) -> None:
    who = b'{"id": "c1", "subject": "ann", "node": "other"}'
    with pytest.raises(MalformedEntry, match=f"{kind.decode()} without a group"):
        Node().of(kind, who, group=None)


@pytest.mark.parametrize("reason", [None, 5, ["x"], True])
def test_a_disconnect_for_a_reason_that_no_close_can_say_is_malformed(reason: Any) -> None:
    order = json.dumps({"id": None, "code": 4403, "reason": reason}).encode()
    with pytest.raises(MalformedEntry, match="reason"):
        Node().of(b"disconnect", order)


@pytest.mark.parametrize("kind", [b"", b"Text", b"\xff" * 100])
def test_an_unknown_kind_is_malformed(kind: bytes) -> None:
    with pytest.raises(MalformedEntry, match="unknown kind"):
        Node().of(kind, b"")
