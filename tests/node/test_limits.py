"""The limits on connections: so many at once, so many of one address, so often."""

from __future__ import annotations

import pytest

from fws_gevent.errors import ConnectsTooOften, NoRoom
from fws_gevent.node.limits import ConnectionLimits
from fws_gevent.settings import Settings


def test_as_many_get_in_as_there_is_room_for() -> None:
    limits = ConnectionLimits(Settings(max_connections=2))
    for _ in range(2):
        limits.check("192.0.2.1")
        limits.add("192.0.2.1")
    assert limits.full
    with pytest.raises(NoRoom):
        limits.check("192.0.2.2")
    limits.remove("192.0.2.1")
    assert not limits.full
    limits.check("192.0.2.2")


def test_each_address_has_its_own_share() -> None:
    limits = ConnectionLimits(Settings(max_connections_per_address=1))
    limits.add("192.0.2.1")
    with pytest.raises(NoRoom):
        limits.check("192.0.2.1")
    limits.check("192.0.2.2")
    limits.remove("192.0.2.1")
    limits.check("192.0.2.1")
    assert not limits._by_address


def test_without_an_address_there_is_but_one_bound() -> None:
    limits = ConnectionLimits(
        Settings(max_connections=3, max_connections_per_address=1, connect_rate=1)
    )
    for _ in range(3):
        limits.check("")
        limits.add("")
    with pytest.raises(NoRoom):
        limits.check("")


def test_without_a_bound_nobody_is_counted_by_address() -> None:
    limits = ConnectionLimits(Settings())
    for _ in range(200):
        limits.check("192.0.2.1")
        limits.add("192.0.2.1")
    assert (limits.live, len(limits._by_address)) == (200, 0)


@pytest.mark.usefixtures("no_time_passes")
def test_who_comes_too_often_is_told_when_to_come_again() -> None:
    limits = ConnectionLimits(Settings(connect_rate=6))
    for _ in range(6):
        limits.check("192.0.2.1")
    with pytest.raises(ConnectsTooOften) as caught:
        limits.check("192.0.2.1")
    assert caught.value.status == "429 Too Many Requests"
    assert caught.value.headers == (("Retry-After", "10"),)
    limits.check("192.0.2.2")
    limits.check_subject("192.0.2.1")  # a subject may be called as it likes


def test_who_finds_no_room_has_not_come_too_often() -> None:
    limits = ConnectionLimits(Settings(max_connections=1, connect_rate=1))
    limits.add("192.0.2.1")
    for _ in range(3):
        with pytest.raises(NoRoom):
            limits.check("192.0.2.2")
    limits.remove("192.0.2.1")
    limits.check("192.0.2.2")
