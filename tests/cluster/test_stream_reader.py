"""A reader with simulated entries, answers and subscribers: order, once each, gaps reported."""

from __future__ import annotations

from typing import Any, cast

import pytest
from gevent.event import Event

from fws_gevent.cluster import stream_reader as reader_module
from fws_gevent.cluster.effects import Effect, Effects, When
from fws_gevent.cluster.stream_position import StreamPosition
from fws_gevent.cluster.stream_reader import StreamReader
from fws_gevent.loop import inbox as inbox_module
from fws_gevent.loop.inbox import Inbox
from fws_gevent.loop.reactor import Reactor
from fws_gevent.redis_io.entries import Entry, MalformedEntry
from tests.clients import PATIENCE
from tests.waiting import until

Found = list[tuple[bytes, dict[bytes, bytes]]]


class World:
    """A reader and all that it works on; `done` is what happened, in order."""

    def __init__(self, reactor: Reactor) -> None:
        self.done: list[Any] = []
        self.asked = 0
        self.pauses: list[float] = []
        self.release = Event()
        self.reader = StreamReader(
            "kitchen", b"fws:{kitchen}:stream", cast("Effects", self), self.gap, self.ask,
            lambda: Inbox(reactor),
        )  # fmt: skip

    def of(self, group: str | None, entry: Entry) -> Effect | None:
        assert group == "kitchen"
        if entry.kind == b"strange":
            raise MalformedEntry("strange")
        if entry.kind == b"begin":
            return None
        if entry.kind == b"patient":
            return Effect(self.note_patiently, (entry.data,), When.IN_RUNNER)
        if entry.kind == b"now":
            return Effect(self.note, (entry.data,))
        if entry.kind == b"broken":
            return Effect(self.fail, (), When.IN_TURN)
        return Effect(self.note, (entry.data,), When.IN_TURN, len(entry.data))

    def note(self, data: bytes) -> int:
        self.done.append(data)
        return 7

    def fail(self) -> None:
        raise TypeError("broken effect")

    def note_patiently(self, data: bytes) -> None:
        self.release.wait(PATIENCE)
        self.done.append(data)

    def gap(self, group: str | None, reason: str) -> None:
        self.release.wait(PATIENCE)
        self.done.append((group, reason))

    def ask(self, reader: StreamReader, pause: float) -> None:
        assert reader is self.reader
        self.asked += 1
        self.pauses.append(pause)

    def push(
        self, number: int, previous: int | None = None, kind: bytes = b"text", epoch: bytes = b"e",
        data: bytes | None = None,
    ) -> int:  # fmt: skip
        before = number - 1 if previous is None else previous
        payload = b"%d" % number if data is None else data
        head = b"%d-0 %d-0 %s n%d %s " % (number, before, epoch, number, kind)
        return self.reader.on_push(head + b"\n" + payload)

    def resume(
        self, state: bytes, last: int, *numbers: int, more: bool = False, epoch: bytes = b"e"
    ) -> bool:
        found = [stored(number, epoch=epoch) for number in numbers]
        return self.reader.resumed(state, position(last, epoch), found, more)


def position(number: int, epoch: bytes = b"e") -> StreamPosition:
    return StreamPosition((number, 0), b"n%d" % number, epoch)


def stored(
    number: int, kind: bytes = b"text", epoch: bytes = b"e"
) -> tuple[bytes, dict[bytes, bytes]]:
    fields = {b"epoch": epoch, b"nonce": b"n%d" % number, b"previous": b"%d-0" % (number - 1),
              b"kind": kind, b"except": b"", b"data": b"%d" % number}  # fmt: skip
    return b"%d-0" % number, fields


@pytest.fixture
def world() -> Any:
    reactor = Reactor(max_runners=2)
    reactor.start()
    world = World(reactor)
    world.release.set()
    yield world
    world.release.set()
    reactor.stop()


@pytest.fixture
def live(world: World) -> World:
    """A reader that follows from 10 on."""
    assert not world.resume(b"begun", 10)
    return world


def test_it_is_ready_once_it_is_known_where_the_stream_stands(world: World) -> None:
    assert not world.reader.ready.is_set()
    assert not world.reader.live
    assert world.reader.position is None
    assert world.resume(b"begun", 10) is False
    assert world.reader.ready.is_set()
    assert world.reader.live
    assert world.reader.position == position(10)
    assert world.done == []


def test_the_next_entry_takes_place_at_once_and_says_how_much_it_was(live: World) -> None:
    assert live.push(11) == 7
    assert live.push(12) == 7
    assert live.done == [b"11", b"12"]
    assert live.reader.position == position(12)
    assert live.asked == 0


def test_an_entry_is_handled_once(live: World) -> None:
    live.push(11)
    live.push(11)
    live.push(9)
    assert live.done == [b"11"]
    assert live.asked == 0
    assert live.reader.live


def test_a_hole_is_read_before_later_entries(live: World) -> None:
    live.push(13)
    assert live.asked == 1
    assert not live.reader.live
    live.push(14)
    live.push(16)
    assert live.done == []
    assert live.asked == 1
    assert not live.resume(b"proven", 14, 11, 12, 13, 14)
    # 13 and 14 came twice by now, and 16 shows another hole.
    assert live.done == [b"11", b"12", b"13", b"14"]
    assert live.asked == 2
    assert not live.resume(b"proven", 16, 15, 16)
    assert live.done == [b"%d" % number for number in range(11, 17)]
    live.push(17)
    assert live.done[-1] == b"17"
    assert live.asked == 2


def test_another_epoch_is_a_hole(live: World) -> None:
    live.push(11, epoch=b"other")
    assert live.done == []
    assert live.asked == 1
    live.resume(b"other", 11, 11, epoch=b"other")
    until(lambda: len(live.done) == 2)
    assert live.done == [("kitchen", "lost"), b"11"]


def test_entries_before_the_first_answer_are_held_and_then_handled(world: World) -> None:
    world.push(10)
    world.push(11)
    world.push(12)
    assert world.done == []
    world.resume(b"begun", 10)
    assert world.done == [b"11", b"12"]


def test_it_asks_again_while_there_is_more(live: World) -> None:
    live.reader.behind()
    assert live.resume(b"proven", 20, 11, 12, more=True) is True
    assert not live.reader.live
    assert live.reader.position == position(12)
    live.push(21)
    assert live.done == [b"11", b"12"]
    assert live.resume(b"proven", 14, 13, 14) is False
    assert live.done == [b"11", b"12", b"13", b"14"]
    assert live.asked == 2, "between 14 and 21 there is a hole"


@pytest.mark.parametrize(("name", "bound"), [("HELD", 3), ("HELD_SIZE", 6)])
def test_held_entries_are_bounded_and_dropped_ones_are_read(
    live: World, monkeypatch: pytest.MonkeyPatch, name: str, bound: int
) -> None:
    monkeypatch.setattr(reader_module, name, bound)
    live.reader.behind()
    for number in range(12, 30):
        live.push(number)
        assert len(live.reader._held) <= 3
    assert live.resume(b"proven", 15, 11, 12, 13, 14, 15) is True, "dropped: ask again"
    assert not live.reader.live
    live.push(30)
    assert live.done == [b"11", b"12", b"13", b"14", b"15"]
    assert live.resume(b"proven", 29, *range(16, 30)) is False
    assert live.done == [b"%d" % number for number in range(11, 31)]
    assert live.reader.live


def test_an_entry_larger_than_all_that_is_held_is_read(
    live: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "HELD_SIZE", 10)
    live.push(12, data=b"x" * 11)
    assert live.asked == 1
    assert live.resume(b"proven", 12, 11, 12) is True
    assert live.resume(b"proven", 12) is False
    assert live.done == [b"11", b"12"]
    live.push(13, data=b"y" * 11)
    assert live.done[-1] == b"y" * 11


@pytest.mark.parametrize(
    ("state", "reason"),
    [(b"trimmed", "trimmed"), (b"gone", "lost"), (b"other", "lost"), (b"older", "older")],
)
def test_a_gap_is_told_before_the_messages_that_follow_it(
    live: World, state: bytes, reason: str
) -> None:
    live.reader.behind()
    live.release.clear()
    live.resume(state, 32, 31, 32)
    live.push(33)
    assert live.done == []
    live.release.set()
    until(lambda: len(live.done) == 4)
    assert live.done == [("kitchen", reason), b"31", b"32", b"33"]
    live.push(34)
    assert live.done[-1] == b"34", "nothing waits any more: at once"


def test_a_proven_position_is_not_a_gap(live: World) -> None:
    live.reader.behind()
    live.resume(b"proven", 10)
    live.push(11)
    assert live.done == [b"11"]


def test_a_promise_given_while_redis_was_away_ends_in_a_gap(world: World) -> None:
    world.reader.gap_due = True
    world.resume(b"begun", 10)
    world.push(11)
    until(lambda: len(world.done) == 2)
    assert world.done == [("kitchen", "late"), b"11"]
    assert not world.reader.gap_due
    world.reader.behind()
    world.resume(b"proven", 11)
    world.push(12)
    assert world.done[2:] == [b"12"], "told once"


def test_messages_that_went_to_this_node_alone_end_in_a_gap(live: World) -> None:
    live.reader.local_only = True
    live.reader.behind()
    live.resume(b"proven", 11, 11)
    until(lambda: len(live.done) == 2)
    assert live.done == [("kitchen", "local"), b"11"]
    live.reader.behind()
    live.resume(b"proven", 11)
    live.push(12)
    assert live.done[2:] == [b"12"], "told once"


def test_a_real_gap_is_told_rather_than_a_local_one(live: World) -> None:
    live.reader.local_only = True
    live.reader.behind()
    live.resume(b"gone", 1, epoch=b"new")
    until(lambda: live.done)
    assert live.done == [("kitchen", "lost")]


def test_order_is_kept_while_a_subscriber_waits(live: World) -> None:
    live.release.clear()
    live.push(11)
    live.push(12, kind=b"patient")
    live.push(13)
    live.push(14, kind=b"patient")
    live.push(15)
    assert live.done == [b"11"]
    live.release.set()
    until(lambda: len(live.done) == 5)
    assert live.done == [b"11", b"12", b"13", b"14", b"15"]


def test_an_immediate_effect_does_not_wait_for_subscribers(live: World) -> None:
    live.release.clear()
    live.push(11, kind=b"patient")
    live.push(12, kind=b"now")
    assert live.done == [b"12"]
    live.release.set()
    until(lambda: len(live.done) == 2)


def test_more_than_can_wait_is_told_after_all_that_could(
    live: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(inbox_module, "INBOX_LENGTH", 3)
    live.release.clear()
    live.push(11, kind=b"patient")
    for number in range(12, 20):
        live.push(number)
    live.release.set()
    until(lambda: len(live.done) == 4)
    assert live.done == [b"11", b"12", b"13", ("kitchen", "overrun")]
    assert "took so long" in caplog.text
    live.push(20)
    live.push(21)
    until(lambda: len(live.done) == 6)
    assert live.done[4:] == [b"20", b"21"]
    assert live.asked == 0


def test_more_bytes_than_can_wait_are_an_overrun_too(
    live: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_module, "INBOX_SIZE", 10)
    live.release.clear()
    live.push(11, kind=b"patient")
    live.push(12, data=b"x" * 8)
    live.push(13, data=b"x" * 8)
    live.push(14, data=b"small")
    live.release.set()
    until(lambda: len(live.done) == 3)
    assert live.done == [b"11", b"x" * 8, ("kitchen", "overrun")]


@pytest.mark.parametrize(
    "pushed",
    [b"", b"\n", b"hello", b"1-0 2-0 e n text \xff", b"x-y 10-0 e n text \n11", b"\xff" * 300,
     b"11-0 10-0 e n text  \n11", b"11-0 10 e n text \n"],
)  # fmt: skip
def test_a_push_that_is_no_entry_harms_nothing_and_redis_is_asked_in_a_while(
    live: World, pushed: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    live.reader.on_push(pushed)
    assert "ignored" in caplog.text
    assert live.reader.live
    live.push(11)
    assert live.done == [b"11"]
    assert live.pauses == [reader_module.FOREIGN], "the stream may have it all the same"


@pytest.mark.parametrize("kind", [b"strange", b"broken"])
def test_an_entry_that_can_not_be_done_is_passed_over(
    live: World, kind: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    live.push(11, kind=kind)
    live.push(12)
    live.reader.behind()
    found: Found = [stored(13, kind=kind), (b"14-0", {b"somebody": b"else's"}), stored(15)]
    live.reader.resumed(b"proven", position(15), found, False)
    live.push(16)
    assert live.done == [b"12", b"15", b"16"]
    assert live.reader.position == position(16)
    assert kind.decode() in caplog.text


def test_somebody_elses_entry_as_the_last_one_read_so_far_is_where_it_goes_on(
    live: World,
) -> None:
    live.reader.behind()
    found: Found = [stored(11), (b"12-0", {b"somebody": b"else's"})]
    assert live.reader.resumed(b"proven", position(20), found, True) is True
    assert live.reader.position == StreamPosition((12, 0), b"", b"")


def test_an_entry_without_effect_moves_on(live: World) -> None:
    assert live.push(11, kind=b"begin") == 1
    live.push(12)
    assert live.done == [b"12"]


# Entries that Redis does not have.


def test_an_entry_of_another_stream_is_asked_about_once_and_ignored(
    live: World, caplog: pytest.LogCaptureFixture
) -> None:
    live.push(7, epoch=b"elsewhere")
    assert live.asked == 1
    live.reader.asking()
    assert not live.resume(b"proven", 10)
    assert live.reader.live
    assert live.pauses == [0.0, reader_module.FOREIGN], "once more, for a failover"
    live.push(11)
    assert live.done == [b"11"]
    assert "ignored an entry of another stream" in caplog.text


def test_a_flood_from_another_stream_asks_nothing_and_holds_up_nothing(live: World) -> None:
    live.push(7, epoch=b"elsewhere")
    live.reader.asking()
    live.resume(b"proven", 10)
    asked = live.asked
    for number in range(1, 101):
        live.push(number, epoch=b"elsewhere%d" % (number % 7))
        live.push(number + 10)
    assert live.asked == asked
    assert live.done == [b"%d" % number for number in range(11, 111)]


def test_a_stream_that_is_begun_anew_amid_a_flood_is_read_when_redis_is_asked_next(
    live: World,
) -> None:
    live.push(7, epoch=b"elsewhere")
    live.reader.asking()
    live.resume(b"proven", 10)
    live.push(1, epoch=b"new")
    live.reader.asking()
    live.push(2, epoch=b"new")
    live.resume(b"other", 1, 1, epoch=b"new")
    until(lambda: len(live.done) == 3)
    assert live.done == [("kitchen", "lost"), b"1", b"2"]


def test_a_stream_that_was_begun_anew_is_not_taken_for_another_ones(live: World) -> None:
    live.push(7, epoch=b"new")
    live.reader.asking()
    live.resume(b"proven", 10)  # by a server that is about to be replaced
    live.reader.asking()
    live.resume(b"other", 7, 7, epoch=b"new")
    until(lambda: len(live.done) == 2)
    live.push(8, epoch=b"new")
    assert live.done == [("kitchen", "lost"), b"7", b"8"]


def test_entries_after_the_request_are_asked_about_first(live: World) -> None:
    live.reader.behind()
    live.reader.asking()
    live.push(13)
    live.resume(b"proven", 10)
    assert live.asked == 2
    assert not live.reader.live
    live.reader.asking()
    live.resume(b"proven", 13, 11, 12, 13)
    assert live.done == [b"11", b"12", b"13"]
    assert live.asked == 2


def test_an_entry_that_redis_should_have_is_asked_about_with_pauses_and_then_lost(
    live: World,
) -> None:
    live.push(13)
    for number in range(reader_module.DOUBTS):
        live.reader.asking()
        live.resume(b"proven", 10)
        assert live.pauses == [0.0] + [reader_module.DOUBT] * (number + 1)
        assert live.done == []
        assert not live.reader.live
    live.reader.asking()
    live.resume(b"proven", 10)
    assert live.reader.live
    until(lambda: live.done == [("kitchen", "lost")])
    live.push(11)
    assert live.done[1:] == [b"11"]
    live.push(14)
    assert live.asked == reader_module.DOUBTS + 2, "and so is the next one"


def test_an_entry_that_redis_has_after_all_is_read_in_its_place(live: World) -> None:
    live.push(13)
    for _ in range(3):
        live.reader.asking()
        live.resume(b"proven", 10)
        live.push(14)
    live.reader.asking()
    live.resume(b"proven", 14, 11, 12, 13, 14)
    live.push(15)
    assert live.done == [b"%d" % number for number in range(11, 16)]


def test_an_answer_without_entries_though_there_are_more_tells_nothing_yet(live: World) -> None:
    live.reader.behind()
    assert live.resume(b"trimmed", 20, more=True) is True
    assert live.reader.position == position(10)
    assert not live.reader.live
    assert live.resume(b"trimmed", 20, 19, more=True) is True
    assert live.resume(b"proven", 20, 20) is False
    until(lambda: len(live.done) == 3)
    assert live.done == [("kitchen", "trimmed"), b"19", b"20"], "one gap"


def test_repeated_ignored_entries_are_logged_less_and_less_often(
    live: World, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        live.reader.on_push(b"hello")
    assert caplog.text.count("ignored") == 7
