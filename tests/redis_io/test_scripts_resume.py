"""The script that says how a stream goes on, against a real Redis."""

from __future__ import annotations

import time

import pytest

from .script_calls import LIFE, STREAM, Calls, Listener


def test_a_stream_that_is_not_there_begins_and_says_so_to_all(
    calls: Calls, listener: Listener
) -> None:
    begun = calls.resume(epoch="e5", nonce="n5")
    [(entry_id, fields)] = calls.stream()
    assert begun == (b"begun", [entry_id, b"n5", b"e5"], [], 0)
    assert fields[b"kind"] == b"begin"
    assert 0 < calls.client.pttl(STREAM) <= LIFE
    assert listener.hear() == entry_id + b" 0-0 e5 n5 begin \n"


def test_a_new_reader_begins_after_the_last_entry(calls: Calls) -> None:
    calls.publish()
    last = calls.publish(nonce="last")
    assert calls.resume() == (b"begun", [last, b"last", b"e1"], [], 0)
    assert len(calls.stream()) == 2


def test_a_new_reader_may_begin_with_the_entries_of_a_time_that_has_passed(calls: Calls) -> None:
    calls.publish(b"old")
    time.sleep(0.2)
    sent = [calls.publish(b"%d" % number) for number in range(3)]
    resumed = calls.resume(back=100, count=2)
    assert (resumed.state, resumed.data, resumed.more) == (b"begun", [b"0", b"1"], 1)
    assert calls.resume(back=60_000).data[-4:] == [b"old", b"0", b"1", b"2"]
    assert calls.resume(back=60_000).position[0] == sent[-1]


def test_entries_after_the_position_are_proven_complete(calls: Calls) -> None:
    position = calls.resume().position
    assert calls.resume(position) == (b"proven", position, [], 0)
    sent = [calls.publish(b"%d" % number) for number in range(40)]
    resumed = calls.resume(position)
    assert (resumed.state, resumed.more) == (b"proven", 0)
    assert resumed.entries == calls.stream()[1:]
    assert resumed.position == [sent[-1], b"n40", b"e1"]


@pytest.mark.parametrize("number", [15, 16, 17, 32])
def test_every_number_of_entries_is_answered_whole(calls: Calls, number: int) -> None:
    position = calls.resume().position
    data = [b"%d" % each for each in range(number)]
    for each in data:
        calls.publish(each)
    resumed = calls.resume(position)
    assert (resumed.data, resumed.more) == (data, 0)


def test_there_is_more_than_the_entries_asked_for(calls: Calls) -> None:
    position = calls.resume().position
    data = [b"%d" % number for number in range(100)]
    for each in data:
        calls.publish(each)
    read_all(calls, position, data, count=20, size=1 << 20)


def test_there_is_more_than_the_bytes_asked_for(calls: Calls) -> None:
    position = calls.resume().position
    data = [b"%d" % number * 1000 for number in range(100)]
    for each in data:
        calls.publish(each)
    read_all(calls, position, data, count=1000, size=10_000)


def read_all(
    calls: Calls, position: list[bytes], data: list[bytes], *, count: int, size: int
) -> None:
    """Read on in parts, each of them small, until all of `data` has come."""
    read: list[bytes] = []
    more = True
    while more:
        part = calls.resume(position, count=count, size=size)
        assert part.state == b"proven"
        assert 0 < len(part.entries) < len(data) / 2
        entry_id, fields = part.entries[-1]
        position = [entry_id, fields[b"nonce"], fields[b"epoch"]]
        read += part.data
        more = part.more == 1
    assert read == data


def test_an_answer_has_never_more_bytes_than_asked_for_but_for_a_single_entry(
    calls: Calls,
) -> None:
    position = calls.resume().position
    for _ in range(4):
        calls.publish(b"x" * 400)
    large = calls.publish(b"y" * 5000)
    calls.publish(b"z")
    first = calls.resume(position, size=1000)
    assert (len(first.entries), first.more) == (2, 1)
    entry_id, fields = calls.stream()[4]
    position = [entry_id, fields[b"nonce"], b"e1"]
    assert calls.resume(position, size=1000, alone=False)[2:] == ([], 1)
    alone = calls.resume(position, size=1000)
    assert ([each for each, _ in alone.entries], alone.more) == ([large], 1)


def test_all_that_another_program_put_into_an_entry_counts(calls: Calls) -> None:
    position = calls.resume().position
    for _ in range(4):
        calls.client.xadd(STREAM, {"colour": "red" * 200})
    resumed = calls.resume(position, size=1500)
    assert (len(resumed.entries), resumed.more) == (2, 1)


def test_the_last_entry_is_known_as_the_last(calls: Calls) -> None:
    position = calls.resume().position
    calls.publish(b"x" * 1000)
    assert calls.resume(position, count=1, size=10).more == 0


def test_trimmed_entries_are_reported_with_all_that_is_left(calls: Calls) -> None:
    position = calls.resume().position
    for number in range(4):
        calls.publish(b"%d" % number)
    calls.client.xtrim(STREAM, maxlen=2, approximate=False)
    resumed = calls.resume(position)
    assert (resumed.state, resumed.data) == (b"trimmed", [b"2", b"3"])


def test_nothing_is_missing_if_all_that_was_dropped_was_seen(calls: Calls) -> None:
    calls.resume()
    position = [calls.publish(nonce="seen"), b"seen", b"e1"]
    calls.publish(b"2")
    calls.publish(b"3")
    calls.client.xtrim(STREAM, maxlen=2, approximate=False)
    resumed = calls.resume(position)
    assert (resumed.state, resumed.data) == (b"proven", [b"2", b"3"])


def test_a_stream_that_is_gone_begins_anew(calls: Calls, listener: Listener) -> None:
    position = calls.resume().position
    calls.client.flushall()
    resumed = calls.resume(position, epoch="e2", nonce="n2")
    [(entry_id, fields)] = calls.stream()
    assert resumed == (b"gone", [entry_id, b"n2", b"e2"], [], 0)
    assert fields[b"epoch"] == b"e2"
    assert listener.hear().endswith(b" e1 begun begin \n")
    assert listener.hear().endswith(b" e2 n2 begin \n")


def test_another_stream_is_told_with_all_its_entries(calls: Calls) -> None:
    position = calls.resume().position
    calls.client.flushall()
    calls.publish(b"1", epoch="e2")
    calls.publish(b"2", epoch="e2")
    resumed = calls.resume(position)
    assert (resumed.state, resumed.data) == (b"other", [b"1", b"2"])
    assert resumed.position[2] == b"e2"


@pytest.mark.parametrize("nonce", ["another", "begun"])
def test_another_stream_with_the_same_id_is_not_taken_for_the_known_one(
    calls: Calls, nonce: str
) -> None:
    """A Redis that came back empty, with its clock set back, may give the ids again."""
    position = calls.resume().position
    calls.client.delete(STREAM)
    fields = {"epoch": "e2", "nonce": nonce, "previous": "0-0", "kind": "text", "data": "1"}
    calls.client.xadd(STREAM, fields, id=position[0])
    resumed = calls.resume(position)
    assert (resumed.state, resumed.data) == (b"other", [b"1"])


def test_a_copy_without_the_position_is_older(calls: Calls) -> None:
    """As a replica is that was promoted before it had the last entries."""
    first = calls.publish(b"1")
    position = [calls.publish(b"2", nonce="seen"), b"seen", b"e1"]
    calls.client.xdel(STREAM, position[0])
    resumed = calls.resume(position)
    assert (resumed.state, resumed.data) == (b"older", [])
    assert resumed.position == [first, b"n1", b"e1"]


def test_an_older_copy_that_went_on_is_not_taken_for_the_known_stream(calls: Calls) -> None:
    """The same epoch, and at the last id an entry of another nonce."""
    calls.publish(b"1")
    entry_id = calls.publish(b"2", nonce="after-the-promotion")
    calls.publish(b"3")
    resumed = calls.resume([entry_id, b"before-the-promotion", b"e1"])
    assert (resumed.state, resumed.data) == (b"older", [b"3"])


def test_an_entry_of_somebody_else_at_the_end_is_a_place_too(calls: Calls) -> None:
    calls.publish(b"1")
    calls.client.xadd(STREAM, {"colour": "red"})
    position = calls.resume().position
    calls.publish(b"2")
    resumed = calls.resume(position)
    assert (resumed.state, resumed.data) == (b"proven", [b"2"])


def test_a_reader_keeps_a_stream_alive(calls: Calls) -> None:
    calls.publish(life=1_000)
    calls.resume()
    assert 1_000 < calls.client.pttl(STREAM) <= LIFE
