"""A lease lasts at least until a known time, and its node is alive until then."""

from __future__ import annotations

from fws_gevent.cluster.leases import ENDED, Leases

from ..clocks import ManualClock


def test_a_lease_lasts_from_the_look_before_the_change() -> None:
    clock = ManualClock()
    leases, now = Leases(10.0, clock), clock.now
    leases.note(now - 4, {"n": b"1"})
    assert not leases.lasts("n"), "it may have been written long before"
    leases.note(now, {"n": b"1"})
    assert not leases.lasts("n")
    leases.note(now, {"n": b"2"})
    assert leases.lasts("n")
    assert not leases.lasts("m")


def test_it_is_over_when_the_time_is() -> None:
    clock = ManualClock()
    leases, now = Leases(10.0, clock), clock.now
    leases.note(now, {"n": b"1"})
    leases.note(now, {"n": b"2"})
    clock.advance(9.9)
    assert leases.lasts("n")
    clock.advance(0.1)
    assert not leases.lasts("n")


def test_it_lasts_though_its_key_is_lost_and_ends_with_the_node() -> None:
    clock = ManualClock()
    leases, now = Leases(10.0, clock), clock.now
    for text in (b"1", b"2", None):
        leases.note(now, {"n": text})
    assert leases.lasts("n")
    leases.note(now, {"n": ENDED})
    assert not leases.lasts("n")
    leases.note(now, {"n": None})
    assert not leases.lasts("n")


def test_a_node_that_is_named_no_more_is_forgotten() -> None:
    clock = ManualClock()
    leases, now = Leases(10.0, clock), clock.now
    for text in (b"1", b"2"):
        leases.note(now, {"n": text})
    leases.note(now, {})
    leases.note(now, {"n": b"3"})
    assert not leases.lasts("n")
