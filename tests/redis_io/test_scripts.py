"""The script that publishes, against a real Redis; and how Redis knows all of them."""

from __future__ import annotations

import pytest
import redis

from fws_gevent.redis_io import scripts
from fws_gevent.redis_io.publishing import LARGEST
from fws_gevent.redis_io.scripts import OWN, PRESENCE, PUBLISH, RESUME, REVOKE, SPEND, TAKE, Script

from .script_calls import SENT, STREAM, Calls, Listener


@pytest.mark.parametrize("script", [PUBLISH, RESUME, PRESENCE, REVOKE, SPEND, OWN, TAKE])
def test_redis_knows_a_script_by_the_name_that_we_give_it(calls: Calls, script: Script) -> None:
    assert calls.client.script_load(script.text) == script.sha


def test_all_scripts_differ() -> None:
    every = [each for each in vars(scripts).values() if isinstance(each, Script)]
    assert len({script.sha for script in every}) == len(every) == 7


def test_an_entry_has_all_fields(calls: Calls) -> None:
    entry_id = calls.publish(b"soup", kind="binary", exclude="c1", nonce="n7", epoch="e7")
    assert calls.stream() == [(entry_id, {
        b"epoch": b"e7", b"nonce": b"n7", b"previous": b"0-0",
        b"kind": b"binary", b"except": b"c1", b"data": b"soup",
    })]  # fmt: skip


@pytest.mark.parametrize("junk", ["a b", "a\nb", " ", "\n"])
@pytest.mark.parametrize("name", ["kind", "exclude", "nonce", "epoch"])
def test_separators_in_the_head_of_an_entry_are_refused(
    name: str, junk: str, calls: Calls, listener: Listener
) -> None:
    given = {"kind": "text", "exclude": "", "nonce": "n0", "epoch": "e1"} | {name: junk}
    with pytest.raises(redis.ResponseError, match="neither spaces nor newlines"):
        calls.publish(
            kind=given["kind"],
            exclude=given["exclude"],
            nonce=given["nonce"],
            epoch=given["epoch"],
        )
    assert calls.stream() == []
    calls.publish(b"next")
    assert listener.hear().endswith(b"\nnext"), "nothing was sent before it"


def test_a_message_may_be_so_large_and_no_larger(calls: Calls) -> None:
    with pytest.raises(redis.ResponseError, match="33554432 bytes at most"):
        calls.publish(bytes(LARGEST + 1))
    assert calls.stream() == []
    calls.publish(bytes(LARGEST), stream=b"fws:{large}:stream", sent=b"fws:{large}:sent:one")


def test_each_entry_names_the_one_before_it(calls: Calls) -> None:
    ids = [calls.publish() for _ in range(5)]
    assert [fields[b"previous"] for _, fields in calls.stream()] == [b"0-0", *ids[:-1]]


def test_a_stream_keeps_the_epoch_of_its_beginning(calls: Calls) -> None:
    for epoch in ("first", "second", "third"):
        calls.publish(epoch=epoch)
    assert {fields[b"epoch"] for _, fields in calls.stream()} == {b"first"}


def test_an_entry_of_somebody_else_in_between_keeps_the_epoch_and_the_order(calls: Calls) -> None:
    calls.publish(epoch="first")
    for _ in range(40):
        foreign = calls.client.xadd(STREAM, {"colour": "red"})
    calls.publish(epoch="second")
    fields = calls.stream()[-1][1]
    assert (fields[b"epoch"], fields[b"previous"]) == (b"first", foreign)


def test_a_stream_that_somebody_else_began_gets_an_epoch(calls: Calls) -> None:
    foreign = calls.client.xadd(STREAM, {"colour": "red"})
    calls.publish(epoch="first")
    fields = calls.stream()[-1][1]
    assert (fields[b"epoch"], fields[b"previous"]) == (b"first", foreign)


def test_published_again_it_has_the_same_id_and_is_neither_kept_nor_sent(
    calls: Calls, listener: Listener
) -> None:
    first = calls.publish(b"soup", sent=SENT)
    assert calls.publish(b"soup", sent=SENT) == first
    other = calls.publish(b"salad")
    assert [entry_id for entry_id, _ in calls.stream()] == [first, other]
    assert listener.hear().endswith(b"\nsoup")
    assert listener.hear().endswith(b"\nsalad")


def test_that_it_was_published_is_remembered_as_long_as_it_says(calls: Calls) -> None:
    entry_id = calls.publish(sent=SENT, sent_life=30_000)
    assert calls.client.get(SENT) == entry_id
    assert 0 < calls.client.pttl(SENT) <= 30_000
    calls.client.pexpire(SENT, 0)
    assert calls.publish(sent=SENT) != entry_id


def test_a_late_message_is_refused_and_leaves_nothing(calls: Calls) -> None:
    with pytest.raises(redis.ResponseError, match=r"^LATE "):
        calls.publish(sent=SENT, latest=calls.now() - 1)
    assert calls.client.keys() == []


def test_a_message_in_time_is_published(calls: Calls) -> None:
    assert calls.publish(latest=calls.now() + 60_000)


def test_a_late_attempt_for_a_published_message_gets_its_id(calls: Calls) -> None:
    entry_id = calls.publish(sent=SENT)
    assert calls.publish(sent=SENT, latest=calls.now() - 1) == entry_id


def test_a_stream_stays_bounded(calls: Calls) -> None:
    for _ in range(500):
        calls.publish(length=50)
    # Redis drops whole nodes of a stream, of a hundred entries unless it is told otherwise.
    assert 50 <= calls.client.xlen(STREAM) <= 150


def test_a_stream_lives_for_its_time_after_its_last_entry(calls: Calls) -> None:
    calls.publish(life=5_000)
    assert 0 < calls.client.pttl(STREAM) <= 5_000
    calls.publish(life=50_000)
    assert 5_000 < calls.client.pttl(STREAM) <= 50_000


@pytest.mark.parametrize("data", [b"", b"soup", b"a b\nc", bytes(range(256)), b"x" * 100_000])
def test_an_entry_is_sent_with_a_head_and_its_data_as_it_is(
    calls: Calls, listener: Listener, data: bytes
) -> None:
    first = calls.publish(b"first")
    second = calls.publish(data, kind="binary", exclude="c1", nonce="n7")
    assert listener.hear() == first + b" 0-0 e1 n1 text \nfirst"
    assert listener.hear() == second + b" " + first + b" e1 n7 binary c1\n" + data
    assert calls.stream()[-1][1][b"data"] == data
