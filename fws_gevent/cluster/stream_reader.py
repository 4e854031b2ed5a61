"""One group's stream, as this node follows it: in order, each entry once, and gaps told."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from gevent.event import Event

from ..logs.loggers import get_logger
from ..loop.inbox import Inbox
from ..redis_io import entries
from ..redis_io.entries import Entry, MalformedEntry
from .effects import Effect, Effects, When
from .gaps import GAPS, LATE, LOCAL, LOST, OVERRUN
from .stream_position import StreamCursor, StreamPosition, Verdict

_log = get_logger("redis")

HELD, HELD_SIZE = 1000, 4 << 20
"""Entries, and bytes, that are kept while what comes before them is read."""

FOREIGN = 1.0
"""Seconds until Redis is asked again after an entry of another epoch than the stream's, or one that
can't be read. Until then more of them are ignored: that answer has all that the stream has."""

DOUBTS, DOUBT = 20, 0.5
"""How often Redis is asked about an entry of the stream's epoch that it does not have, before the
entry counts as lost, and the seconds between: as long as a failover may take."""

RECENT = 512
"""Entries of which it is known that they were seen, should Redis forget it and get them again."""


class StreamReader:
    """Follows the stream of `group`; None is everybody's.

    `catch_up` is called with the reader, and the seconds until then, when it must read what it
    missed; until that is done, it keeps what comes. `gap` tells of a gap, `make_inbox` makes a
    position for what has to wait.
    """

    __slots__ = (
        "_again",
        "_asked",
        "_catch_up",
        "_cursor",
        "_doubts",
        "_effects",
        "_foreign",
        "_gap",
        "_held",
        "_held_size",
        "_ignored",
        "_inbox",
        "_make_inbox",
        "_overrun",
        "_recent",
        "_repeatable",
        "channel",
        "closed",
        "failures",
        "group",
        "large",
        "live",
        "local_only",
        "promised",
        "queued",
        "ready",
        "work",
    )  # fmt: skip

    def __init__(
        self,
        group: str | None,
        channel: bytes,
        effects: Effects,
        gap: Callable[[str | None, str], None],
        catch_up: Callable[[StreamReader, float], None],
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
        self.queued = 0.0
        """When Redis is asked how it goes on, in monotonic time; 0 for not at all."""
        self.work = 1
        """The work that the last entry was: for a message, how many connections got it."""
        self.large = False
        """Its next entry is larger than its share of a trip that it has together with others."""
        self.failures = 0
        """How often in a row Redis refused to say how this stream goes on."""
        self._effects = effects
        self._gap = gap
        self._catch_up = catch_up
        self._make_inbox = make_inbox
        self._cursor = StreamCursor()
        self._held: deque[Entry] = deque()
        self._held_size = 0
        self._asked = 0  # of those held, the first ones, which Redis was asked about
        self._again = False
        self._doubts = 0
        self._foreign = False  # entries of another epoch are ignored until Redis is asked again
        self._ignored = 0
        self._overrun = False
        self._recent: deque[bytes] = deque(maxlen=RECENT)
        self._repeatable: frozenset[bytes] = frozenset()
        self._inbox: Inbox | None = None

    @property
    def position(self) -> StreamPosition | None:
        """The last entry seen."""
        return self._cursor.position

    def on_push(self, pushed: bytes) -> int:
        """An entry came over the channel. Returns the work that it was."""
        try:
            entry = Entry.from_push(pushed)
        except MalformedEntry as error:
            self._ignore(error)
            # The stream may have it all the same: its fields can hold what the channel can't.
            self._catch_up(self, FOREIGN)
            return 1
        return self._offer(entry)

    def behind(self, pause: float = 0.0) -> None:
        """Something may be missing: read on from the last entry, in `pause` seconds."""
        self.live = False
        self._catch_up(self, pause)

    def asking(self) -> None:
        """Redis is asked now how the stream goes on: its answer covers all that is held."""
        self.live = self._foreign = False
        self._asked = len(self._held)

    def resumed(
        self,
        state: bytes,
        position: StreamPosition,
        found: Sequence[tuple[bytes, dict[bytes, bytes]]],
        more: bool,
    ) -> bool:
        """How the stream goes on, as `resume.lua` has it; whether it must be asked again."""
        if more and not found:
            return True  # what there is to tell comes with the entries
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
                self._ignore(error)
            else:
                self._do(entry)
        self._cursor.position = _position_of(*found[-1]) if more else position
        if more:
            return True
        self.live = True
        self.ready.set()
        return self._go_on()

    def _go_on(self) -> bool:
        """Offer what came meanwhile; whether some of it has been dropped, and must be read."""
        held, self._held, self._held_size = self._held, deque(), 0
        again, self._again = self._again, False
        asked, self._asked = self._asked, 0
        doubtful: list[Entry] = []
        for number, entry in enumerate(held):
            if number < asked and self._cursor.is_hole(entry):
                # It came before Redis was asked, and Redis does not have it.
                doubtful += self._doubt(entry)
            else:
                self._offer(entry)
        if doubtful:
            self._ask_again(doubtful)
        else:
            self._doubts = 0
        if again:
            self.live = False
        return again

    def _doubt(self, entry: Entry) -> list[Entry]:
        """Drop an entry that Redis does not have, unless it may be about to have it."""
        if not self._cursor.is_foreign(entry):
            return [entry]
        self._foreign = True
        self._ignore("an entry of another stream: is its program's database another one?")
        self._catch_up(self, FOREIGN)
        return []

    def _ask_again(self, doubtful: list[Entry]) -> None:
        """Keep entries that Redis should have, and ask again; too often, and they are lost."""
        self._doubts += 1
        if self._doubts > DOUBTS:
            self._doubts = 0
            self._tell_gap(LOST)
            return
        self._held.extendleft(reversed(doubtful))
        self._held_size += sum(len(entry.data) for entry in doubtful)
        self.behind(DOUBT)

    def _offer(self, entry: Entry) -> int:
        if self._foreign and self._cursor.is_foreign(entry):
            return 1
        if not self.live:
            self._hold(entry)
            return 1
        verdict = self._cursor.offer(entry)
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
            self._held_size, self._asked, self._again = 0, 0, True
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
            self._ignore(error)
            return 1
        except Exception:  # noqa: BLE001 - one entry must stop neither the subscription nor the reader
            _log.exception("group %s: an entry failed", self._name)
            return 1
        if not isinstance(done, int):
            return 1
        self.work = max(1, done)
        return done

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

    def _ignore(self, why: object) -> None:
        """Say what was ignored: the first time, then at the second, fourth, eighth …"""
        self._ignored += 1
        if self._ignored & (self._ignored - 1) == 0:
            _log.warning("group %s: ignored %s (%d so far)", self._name, why, self._ignored)

    def _tell_gap(self, reason: str) -> None:
        _log.warning("group %s: messages are missing: %s", self._name, reason)
        self._later(Effect(self._gap, (self.group, reason), When.PATIENTLY))

    @property
    def _name(self) -> str:
        return "of everybody" if self.group is None else repr(self.group)


def _position_of(stream_id: bytes, fields: dict[bytes, bytes]) -> StreamPosition:
    return StreamPosition(
        entries.parse_id(stream_id), fields.get(b"nonce", b""), fields.get(b"epoch", b"")
    )
