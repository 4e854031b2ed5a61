"""One group's stream, as this node follows it: in order, each entry once, and gaps told."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence

from gevent.event import Event

from ..engine.inbox import Inbox
from . import entries
from .effects import Effect, Effects, When
from .entries import Entry, MalformedEntry
from .follower import Follower, Place, Verdict

_log = logging.getLogger("fws_gevent.redis")

HELD, HELD_SIZE = 1000, 4 << 20
"""Entries, and bytes, that are kept while what comes before them is read."""

RECENT = 512
"""Entries of which it is known that they were seen, should Redis forget it and get them again."""

GAPS = {
    b"trimmed": "trimmed",
    b"gone": "lost",
    b"other": "lost",
    b"older": "older",
}
"""What became of a stream, and the reason that is told for it."""

LATE, LOCAL, OVERRUN = "late", "local", "overrun"
"""Other reasons: joined while Redis was away; messages went to this node's clients alone; a
subscriber of a bus held the group up for too long."""


class Feed:
    """Follows the stream of `group`; None is everybody's.

    `catch_up` is called with the feed when it must read what it missed; until that is done, it
    keeps what comes. `gap` tells of a gap, `make_inbox` makes a place for what has to wait.
    """

    __slots__ = (
        "_again",
        "_catch_up",
        "_effects",
        "_follower",
        "_gap",
        "_held",
        "_held_size",
        "_inbox",
        "_make_inbox",
        "_overrun",
        "_recent",
        "_repeatable",
        "channel",
        "closed",
        "group",
        "live",
        "local_only",
        "promised",
        "queued",
        "ready",
    )  # fmt: skip

    def __init__(
        self,
        group: str | None,
        channel: bytes,
        effects: Effects,
        gap: Callable[[str | None, str], None],
        catch_up: Callable[[Feed], None],
        make_inbox: Callable[[], Inbox],
    ) -> None:
        self.group = group
        self.channel = channel
        self.ready = Event()
        """Set once it is known where the stream stands: nothing is missed from then on."""
        self.live = False
        self.closed = False
        self.promised = False
        """Somebody joined without its being ready, and doesn't wait for it any more."""
        self.local_only = False
        """Messages went to this node's clients alone."""
        self.queued = False
        self._effects = effects
        self._gap = gap
        self._catch_up = catch_up
        self._make_inbox = make_inbox
        self._follower = Follower()
        self._held: deque[Entry] = deque()
        self._held_size = 0
        self._again = False
        self._overrun = False
        self._recent: deque[bytes] = deque(maxlen=RECENT)
        self._repeatable: frozenset[bytes] = frozenset()
        self._inbox: Inbox | None = None

    @property
    def place(self) -> Place | None:
        """The last entry seen."""
        return self._follower.place

    def on_push(self, pushed: bytes) -> int:
        """An entry came over the channel. Returns the work that it was."""
        try:
            entry = Entry.from_push(pushed)
        except MalformedEntry as error:
            _log.warning("group %s: ignored %s", self._name, error)
            return 1
        return self._offer(entry)

    def behind(self) -> None:
        """Something may be missing: read on from the last entry."""
        self.live = False
        self._catch_up(self)

    def resumed(
        self, state: bytes, place: Place, found: Sequence[tuple[bytes, dict[bytes, bytes]]],
        more: bool,
    ) -> bool:  # fmt: skip
        """How the stream goes on, as `resume.lua` has it; whether it must be asked again."""
        reason = GAPS.get(state)
        if state == b"begun" and self.promised:
            reason = LATE
        if self.local_only:
            reason, self.local_only = reason or LOCAL, False
        self.promised = False
        if state in GAPS:
            # Redis may have forgotten, with the rest, that it published what is tried again.
            self._repeatable = frozenset(self._recent)
        if reason is not None:
            self._tell_gap(reason)
        for stream_id, fields in found:
            try:
                entry = Entry.from_stream(stream_id, fields)
            except MalformedEntry as error:
                _log.warning("group %s: ignored %s", self._name, error)
            else:
                self._do(entry)
        self._follower.place = _place_of(*found[-1]) if more else place
        if more:
            return True
        self.live = True
        self.ready.set()
        return self._go_on()

    def _go_on(self) -> bool:
        """What came meanwhile; whether some of it has been dropped, and must be read."""
        held, self._held, self._held_size = self._held, deque(), 0
        again, self._again = self._again, False
        for entry in held:
            self._offer(entry)
        if again:
            self.live = False
        return again

    def _offer(self, entry: Entry) -> int:
        if not self.live:
            self._hold(entry)
            return 1
        verdict = self._follower.offer(entry)
        if verdict is Verdict.NEXT:
            return self._do(entry)
        if verdict is Verdict.HOLE:
            self._hold(entry)
            self.behind()
        return 1

    def _hold(self, entry: Entry) -> None:
        self._held_size += len(entry.data)
        if len(self._held) >= HELD or self._held_size > HELD_SIZE:
            self._held.clear()
            self._held_size, self._again = 0, True
        elif not self._again:
            self._held.append(entry)

    def _do(self, entry: Entry) -> int:
        """Do what an entry says, after what waits. Returns the work that it was."""
        if entry.nonce in self._repeatable:
            return 1
        self._recent.append(entry.nonce)
        try:
            effect = self._effects.of(self.group, entry)
            if effect is None:
                return 1
            if effect.when is When.PATIENTLY or (self._inbox and effect.when is When.IN_TURN):
                self._later(effect)
                return 1
            done = effect.do(*effect.arguments)
        except MalformedEntry as error:
            _log.warning("group %s: ignored %s", self._name, error)
            return 1
        except Exception:  # noqa: BLE001 - one entry must stop neither the link nor the reader
            _log.exception("group %s: an entry failed", self._name)
            return 1
        return done if isinstance(done, int) else 1

    def _later(self, effect: Effect) -> None:
        if self._inbox is None:
            self._inbox = self._make_inbox()
        inbox = self._inbox
        if self._overrun:
            return  # the gap that comes last will say so
        if not inbox.put(effect.do, *effect.arguments, size=effect.size):
            self._overrun = True
            inbox.put(self._end_overrun, last=True)

    def _end_overrun(self) -> None:
        self._overrun = False
        _log.warning("group %s: a subscriber took so long that messages are gone", self._name)
        self._gap(self.group, OVERRUN)

    def _tell_gap(self, reason: str) -> None:
        _log.warning("group %s: messages are missing: %s", self._name, reason)
        self._later(Effect(self._gap, (self.group, reason), When.PATIENTLY))

    @property
    def _name(self) -> str:
        return "of everybody" if self.group is None else repr(self.group)


def _place_of(stream_id: bytes, fields: dict[bytes, bytes]) -> Place:
    return Place(entries.parse_id(stream_id), fields.get(b"nonce", b""), fields.get(b"epoch", b""))
