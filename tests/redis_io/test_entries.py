"""Entries as the channel and the stream carry them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fws_gevent.redis_io.entries import Entry, MalformedEntry, format_id, parse_id

FIELDS = {
    b"epoch": b"e1", b"nonce": b"n1", b"previous": b"7-0", b"kind": b"text",
    b"except": b"c1", b"data": b"soup",
}  # fmt: skip

ENTRY = Entry((8, 2), (7, 0), b"e1", b"n1", b"text", "c1", b"soup")


def test_an_entry_from_the_channel_is_parsed() -> None:
    assert Entry.from_push(b"8-2 7-0 e1 n1 text c1\nsoup") == ENTRY


def test_an_entry_from_the_stream_is_the_same() -> None:
    assert Entry.from_stream(b"8-2", FIELDS) == ENTRY


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"a\nb\n", b"1-0 0-0 e n text \nx", bytes(range(256))]
)
def test_any_bytes_may_be_pushed_as_data(data: bytes) -> None:
    assert Entry.from_push(b"8-2 7-0 e1 n1 binary \n" + data).data == data


def test_an_entry_may_exclude_no_connection() -> None:
    assert Entry.from_push(b"8-2 7-0 e1 n1 text \nsoup").exclude == ""
    without = {name: value for name, value in FIELDS.items() if name != b"except"}
    assert Entry.from_stream(b"8-2", without).exclude == ""


def test_an_unreadable_id_excludes_no_connection() -> None:
    assert Entry.from_push(b"8-2 7-0 e1 n1 text \xff\nsoup").exclude == "\\xff"


@pytest.mark.parametrize(
    "pushed",
    [
        b"",
        b"hello",
        b"hello\nworld",
        b"8-2 7-0 e1 n1 text c1",  # no data
        b"8-2 7-0 e1 n1 text\nsoup",  # a part is missing
        b"8-2 7-0 e1 n1 text c1 more\nsoup",
        b"8 7-0 e1 n1 text c1\nsoup",
        b"8-2 x-0 e1 n1 text c1\nsoup",
        b"\xff-2 7-0 e1 n1 text c1\nsoup",
    ],
)
def test_bytes_of_other_programs_are_malformed(pushed: bytes) -> None:
    with pytest.raises(MalformedEntry):
        Entry.from_push(pushed)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_no_push_does_worse_than_to_be_malformed(pushed: bytes) -> None:
    try:
        Entry.from_push(pushed)
    except MalformedEntry:
        return


@pytest.mark.parametrize("missing", ["epoch", "nonce", "previous", "kind", "data"])
def test_an_entry_without_one_of_its_fields_is_malformed_and_says_which(missing: str) -> None:
    fields = {name: value for name, value in FIELDS.items() if name != missing.encode()}
    with pytest.raises(MalformedEntry, match=rf"8-2.*{missing}"):
        Entry.from_stream(b"8-2", fields)


def test_an_entry_of_the_stream_with_a_wrong_id_before_it_is_malformed() -> None:
    with pytest.raises(MalformedEntry):
        Entry.from_stream(b"8-2", {**FIELDS, b"previous": b"the one before"})


@pytest.mark.parametrize(
    "text", [b"", b"-", b"1", b"1-", b"-1", b"a-1", b"1-b", b"1-2-3", b"9" * 9999]
)
def test_a_wrong_id_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedEntry, match="is no id") as told:
        parse_id(text)
    assert len(str(told.value)) < 100


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_an_id_is_written_as_it_was_read(milliseconds: int, number: int) -> None:
    text = f"{milliseconds}-{number}"
    assert parse_id(text.encode()) == (milliseconds, number)
    assert format_id((milliseconds, number)) == text


def test_ids_are_ordered_as_numbers() -> None:
    assert parse_id(b"9-0") < parse_id(b"10-0") < parse_id(b"10-2") < parse_id(b"10-10")
