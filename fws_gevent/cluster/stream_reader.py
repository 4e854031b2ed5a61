"""Follows the stream of one group: handles each entry once and in order, and reports gaps."""

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
"""Entries, and bytes, that are kept while the entries before them are read."""

FOREIGN = 1.0
"""Seconds until the stream is read after an entry of another epoch, or a malformed one. Until then
further ones are ignored: the answer has all entries of the stream."""

DOUBTS, DOUBT = 20, 0.5
"""Attempts to read an entry that Redis does not have, though it is of the stream's epoch, until it
counts as lost, and the seconds between them: in all as long as a failover may take."""

RECENT = 512
"""Nonces of handled entries that are remembered, in case Redis loses and then gets them again."""


class StreamReader:
    """Follows the stream of `group`; None is everybody's.

    `catch_up` is called with the reader and a pause in seconds when entries must be read; until
    they are, entries from the channel are kept. `gap` is called for missing messages, and
    `make_inbox` makes a queue for effects that have to wait.
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
        "gap_due",
        "group",
        "joined_at",
        "large",
        "live",
        "local_only",
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
        """Set when the end of the stream is known: no later entry is missed."""
        self.live = False
        self.closed = False
        self.gap_due = False
        """True if a join gave up waiting until it is ready: a gap follows."""
        self.joined_at: float | None = None
        """The monotonic time of a join that did not wait: it misses no later entry either."""
        self.local_only = False
        """True if messages went only to the clients of this node."""
        self.queued = 0.0
        """The monotonic time at which it is read next; 0 if it is not to be read."""
        self.work = 1
        """The work units of the last entry: for a message, the number of its receivers."""
        self.large = False
        """True if the next entry is larger than a share of a request with other readers."""
        self.failures = 0
        """The number of times in a row that Redis refused to read the stream."""
        self._effects = effects
        self._gap = gap
        self._catch_up = catch_up
        self._make_inbox = make_inbox
        self._cursor = StreamCursor()
        self._held: deque[Entry] = deque()
        self._held_size = 0
        self._asked = 0  # the number of held entries that came before the last request
        self._again = False
        self._doubts = 0
        self._foreign = False  # entries of another epoch are ignored until the next request
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
        """Handle an entry from the channel; return its work units."""
        try:
            entry = Entry.from_push(pushed)
        except MalformedEntry as error:
            self._ignore(error)
            # The stream may have it: its fields can hold values that the channel can't carry.
            self._catch_up(self, FOREIGN)
            return 1
        return self._offer(entry)

    def behind(self, pause: float = 0.0) -> None:
        """Read on from the position in `pause` seconds: entries may be missing."""
        self.live = False
        self._catch_up(self, pause)

    def asking(self) -> None:
        """Note that a request is sent now: its answer covers all entries that are held."""
        self.live = self._foreign = False
        self._asked = len(self._held)

    def resumed(
        self,
        state: bytes,
        position: StreamPosition,
        found: Sequence[tuple[bytes, dict[bytes, bytes]]],
        more: bool,
    ) -> bool:
        """Handle an answer of `resume.lua`; return whether to ask again."""
        if more and not found:
            return True  # the state is handled together with the entries
        reason = GAPS.get(state)
        if state == b"begun" and self.gap_due:
            reason = LATE
        if self.local_only:
            reason, self.local_only = reason or LOCAL, False
        self.gap_due = False
        if state in GAPS:
            # Redis may have lost the record of published ids too, so a retry may repeat a message.
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
        """Offer the held entries; return whether some were dropped, and must be read."""
        held, self._held, self._held_size = self._held, deque(), 0
        again, self._again = self._again, False
        asked, self._asked = self._asked, 0
        doubtful: list[Entry] = []
        for number, entry in enumerate(held):
            if number < asked and self._cursor.is_hole(entry):
                # It came before the request, and the stream does not have it.
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
        """Drop an entry that Redis does not have if it is foreign, else return it."""
        if not self._cursor.is_foreign(entry):
            return [entry]
        self._foreign = True
        self._ignore("an entry of another stream: is its program's database another one?")
        self._catch_up(self, FOREIGN)
        return []

    def _ask_again(self, doubtful: list[Entry]) -> None:
        """Keep entries that Redis should have and ask again; after DOUBTS times, report a gap."""
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
        """Carry out an entry, after the effects that wait; return its work units."""
        if entry.nonce in self._repeatable:
            return 1
        self._recent.append(entry.nonce)
        try:
            effect = self._effects.of(self.group, entry)
            if effect is None:
                return 1
            if effect.when is When.IN_RUNNER or (self._inbox and effect.when is When.IN_TURN):
                self._later(effect)
                return 1
            done = effect.do(*effect.arguments)
        except MalformedEntry as error:
            self._ignore(error)
            return 1
        except Exception:  # noqa: BLE001 - one entry must not stop the subscription
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
            return  # a gap follows at the end of the inbox
        if not inbox.put(effect.do, *effect.arguments, size=effect.size):
            self._overrun = True
            inbox.put(self._end_overrun, last=True)

    def _end_overrun(self) -> None:
        self._overrun = False
        _log.warning("group %s: a subscriber took so long that messages are gone", self._name)
        self._gap(self.group, OVERRUN)

    def _ignore(self, why: object) -> None:
        """Log an ignored entry: the first one, then the second, fourth, eighth …"""
        self._ignored += 1
        if self._ignored & (self._ignored - 1) == 0:
            _log.warning("group %s: ignored %s (%d so far)", self._name, why, self._ignored)

    def _tell_gap(self, reason: str) -> None:
        _log.warning("group %s: messages are missing: %s", self._name, reason)
        self._later(Effect(self._gap, (self.group, reason), When.IN_RUNNER))

    @property
    def _name(self) -> str:
        return "of everybody" if self.group is None else repr(self.group)


def _position_of(stream_id: bytes, fields: dict[bytes, bytes]) -> StreamPosition:
    return StreamPosition(
        entries.parse_id(stream_id), fields.get(b"nonce", b""), fields.get(b"epoch", b"")
    )
