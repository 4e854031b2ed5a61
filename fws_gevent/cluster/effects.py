"""The effects that the entries of a stream have on this node."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

from ..broker.host import BrokerHost
from ..protocol.frames import BINARY, TEXT, is_close_code
from ..protocol.utf8 import is_utf8
from ..redis_io import entries
from ..redis_io.entries import Entry, MalformedEntry
from ..signals import Member


class When(Enum):
    """The time at which an effect happens."""

    NOW = "now"
    IN_TURN = "in turn"
    """After the effects that wait already."""
    IN_RUNNER = "in a runner"
    """In turn, and in a runner, where it may wait itself: it calls subscribers of a bus."""


class Effect(NamedTuple):
    """A call, with its arguments and their size in bytes."""

    do: Callable[..., Any]
    arguments: tuple[Any, ...]
    when: When = When.NOW
    size: int = 0


class Effects:
    """Turns the entries of a stream into effects on this node.

    `is_own_name` returns whether a name is this node's, whose own joins and leaves were told
    already. `on_revoked` is called with each revocation, of whatever node.
    """

    def __init__(
        self,
        host: BrokerHost,
        is_own_name: Callable[[str], bool],
        on_revoked: Callable[[bytes], None],
    ) -> None:
        self._host = host
        self._is_own_name = is_own_name
        self._on_revoked = on_revoked

    def of(self, group: str | None, entry: Entry) -> Effect | None:
        """Return the effect of an entry, or None. Raises MalformedEntry."""
        kind = entry.kind
        if kind == entries.TEXT or kind == entries.BINARY:
            opcode = TEXT if kind == entries.TEXT else BINARY
            if opcode == TEXT and not is_utf8(entry.data):
                raise MalformedEntry(f"a text of {len(entry.data)} bytes that are not UTF-8")
            return Effect(self._host.spread, (opcode, entry.data, group, entry.exclude),
                          When.IN_TURN, len(entry.data))  # fmt: skip
        if kind in (entries.JOIN, entries.LEAVE):
            return self._presence(group, entry)
        if kind == entries.DISCONNECT:
            return self._disconnect(group, entry)
        if kind == entries.REVOKE:
            return Effect(self._on_revoked, (entry.data,))
        if kind == entries.BEGIN:
            return None
        raise MalformedEntry(f"an entry of the unknown kind {kind[:40]!r}")

    def _presence(self, group: str | None, entry: Entry) -> Effect | None:
        who = _parsed(entry)
        if group is None:
            raise MalformedEntry(f"{entry.kind.decode()} without a group")
        try:
            member = Member(group, who["id"], who["subject"] or None, who["node"])
        except KeyError as error:
            raise MalformedEntry(f"{entry.kind.decode()} without {error}") from None
        if not all(_is_text(each) for each in (who["id"], who["subject"] or "", who["node"])):
            raise MalformedEntry(f"{entry.kind.decode()} with something that is not a text")
        joined = entry.kind == entries.JOIN
        if self._is_own_name(member.node or "") or not self._host.hears_members(joined=joined):
            return None
        tell = partial(self._host.tell_member, joined=joined)
        return Effect(tell, (member,), When.IN_RUNNER)

    def _disconnect(self, group: str | None, entry: Entry) -> Effect:
        order = _parsed(entry)
        try:
            name, code, reason = order["id"], int(order["code"]), order["reason"]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise MalformedEntry(f"disconnect without a good {error}") from None
        if not (name is None or _is_text(name)) or not is_close_code(code):
            raise MalformedEntry(f"disconnect without a good id or code: {code}")
        if not isinstance(reason, str):
            raise MalformedEntry("disconnect without a good reason")
        return Effect(self._host.disconnect_here, (group, name, code, reason))


def _is_text(value: object) -> bool:
    """Return whether a value from JSON is a text without lone surrogates, which UTF-8 lacks."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parsed(entry: Entry) -> dict[str, Any]:
    try:
        found = json.loads(entry.data)
    except (ValueError, RecursionError) as error:
        raise MalformedEntry(f"{entry.kind.decode()}: {error}") from None
    if not isinstance(found, dict):
        raise MalformedEntry(f"{entry.kind.decode()} is no JSON object")
    return found
