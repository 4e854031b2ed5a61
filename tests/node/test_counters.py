"""The counts of how connections ended."""

from __future__ import annotations

from fws_gevent.connection.closed import Closed
from fws_gevent.errors import CloseCode
from fws_gevent.node.counters import RECENT, Counters, meaning, shown
from tests.clocks import ManualClock


def test_codes_of_clients_are_counted_by_their_thousand() -> None:
    counters = Counters(ManualClock())
    for code in (1000, 1000, 3000, 3999, 4000, CloseCode.UNAUTHENTICATED):
        counters.count_close(Closed(code, ""))
    counted = {shown(code): count for code, count in counters.closes.items()}
    assert counted == {1000: 2, "3xxx": 2, "4xxx": 1, 4401: 1}
    assert [meaning(code) for code in (1000, 3000)] == [
        CloseCode.NORMAL.meaning,
        "an application's own",
    ]


def test_the_last_ones_are_kept_with_their_time_and_reason() -> None:
    clock = ManualClock(1.0)
    counters = Counters(clock)
    for number in range(RECENT + 5):
        counters.count_close(Closed(1000, str(number)))
        clock.advance(1.0)
    assert len(counters.recent) == RECENT
    assert counters.recent[-1] == (RECENT + 5, (1000, str(RECENT + 4)))
