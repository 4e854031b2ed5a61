"""The entries of streams, as a stream keeps them and as a channel carries them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

Id = tuple[int, int]
"""The id of an entry: milliseconds and a number. Ids are in the order of the stream."""

TEXT, BINARY = b"text", b"binary"
BEGIN, JOIN, LEAVE = b"begin", b"join", b"leave"
DISCONNECT, REVOKE = b"disconnect", b"revoke"


class MalformedEntry(ValueError):
    """An entry that is not of the form that the scripts of this package write."""


class Entry(NamedTuple):
    """One entry of a stream. `exclude` is the id of a connection that doesn't get it, or empty."""

    id: Id
    previous: Id
    epoch: bytes
    nonce: bytes
    kind: bytes
    exclude: str
    data: bytes

    @classmethod
    def from_push(cls, pushed: bytes) -> Entry:
        """Return an entry from the bytes on a channel. Raises MalformedEntry."""
        head, newline, data = pushed.partition(b"\n")
        parts = head.split(b" ")
        if not newline or len(parts) != 6:
            raise MalformedEntry(f"a message of {len(pushed)} bytes without the head of an entry")
        stream_id, previous, epoch, nonce, kind, exclude = parts
        return cls(
            parse_id(stream_id), parse_id(previous), epoch, nonce, kind, _text(exclude), data
        )

    @classmethod
    def from_stream(cls, stream_id: bytes, fields: Mapping[bytes, bytes]) -> Entry:
        """Return an entry from the fields in a stream. Raises MalformedEntry."""
        try:
            epoch, nonce, kind = fields[b"epoch"], fields[b"nonce"], fields[b"kind"]
            data, previous = fields[b"data"], fields[b"previous"]
        except KeyError as error:
            raise MalformedEntry(f"entry {_text(stream_id)} has no field {error}") from None
        exclude = _text(fields.get(b"except", b""))
        return cls(parse_id(stream_id), parse_id(previous), epoch, nonce, kind, exclude, data)


def parse_id(text: bytes) -> Id:
    """Return the id in a text such as b"1700000000000-0". Raises MalformedEntry."""
    milliseconds, _, number = text.partition(b"-")
    try:
        return int(milliseconds), int(number)
    except ValueError:
        raise MalformedEntry(f"{_text(text)[:40]!r} is no id of a stream") from None


def format_id(stream_id: Id) -> str:
    """Return an id as Redis writes it."""
    return f"{stream_id[0]}-{stream_id[1]}"


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
