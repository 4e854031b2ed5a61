"""The limits on connections: so many at once, so many of one address, so often."""

from __future__ import annotations

import pytest

from fws_gevent.errors import ConnectsTooOften, NoRoom
from fws_gevent.node.limits import ConnectionLimits
from fws_gevent.settings import Settings


def test_the_capacity_is_a_limit() -> None:
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


def test_without_an_address_only_the_capacity_is_a_limit() -> None:
    limits = ConnectionLimits(
        Settings(max_connections=3, max_connections_per_address=1, connect_rate=1)
    )
    for _ in range(3):
        limits.check("")
        limits.add("")
    with pytest.raises(NoRoom):
        limits.check("")


def test_without_a_limit_addresses_are_not_counted() -> None:
    limits = ConnectionLimits(Settings())
    for _ in range(200):
        limits.check("192.0.2.1")
        limits.add("192.0.2.1")
    assert (limits.live, len(limits._by_address)) == (200, 0)


@pytest.mark.usefixtures("no_time_passes")
def test_too_many_attempts_are_refused_with_the_time_to_wait() -> None:
    limits = ConnectionLimits(Settings(connect_rate=6))
    for _ in range(6):
        limits.check("192.0.2.1")
    with pytest.raises(ConnectsTooOften) as caught:
        limits.check("192.0.2.1")
    assert caught.value.status == "429 Too Many Requests"
    assert caught.value.headers == (("Retry-After", "10"),)
    limits.check("192.0.2.2")
    limits.check_subject("192.0.2.1")  # a subject may be called as it likes


def test_an_attempt_without_room_does_not_count() -> None:
    limits = ConnectionLimits(Settings(max_connections=1, connect_rate=1))
    limits.add("192.0.2.1")
    for _ in range(3):
        with pytest.raises(NoRoom):
            limits.check("192.0.2.2")
    limits.remove("192.0.2.1")
    limits.check("192.0.2.2")
