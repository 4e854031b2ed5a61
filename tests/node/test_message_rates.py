"""The message rates of a connection, a subject and an address."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from fws_gevent.clock import Clock
from fws_gevent.node.message_rates import MessageRates
from fws_gevent.settings import Settings

from ..clocks import ManualClock


@dataclass
class Fake:
    """A connection, as the rates know it."""

    address: str = "192.0.2.1"
    subject: str | None = None
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def address_key(self) -> str:
        return self.address


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def messages(rates: MessageRates, connection: Fake, size: int = 1) -> int:
    """Return the number of messages that are allowed at once, 1,000 at most."""
    for count in range(1000):
        if not rates.allow(connection, size):  # type: ignore[arg-type]
            return count
    return 1000


def made(clock: Clock, **settings: float) -> MessageRates:
    given = {"message_rate": 0.0, "byte_rate": 0.0, "rate_burst": 2.0, "shared_rate": 0.0}
    return MessageRates(Settings(**{**given, **settings}), clock)  # type: ignore[arg-type]


def test_some_seconds_worth_may_come_at_once_and_more_with_time(clock: ManualClock) -> None:
    rates, connection = made(clock, message_rate=5.0), Fake()
    assert messages(rates, connection) == 10
    clock.advance(1)
    assert messages(rates, connection) == 5
    clock.advance(3600)
    assert messages(rates, connection) == 10


def test_bytes_count_beside_messages(clock: ManualClock) -> None:
    rates = made(clock, message_rate=5.0, byte_rate=100.0)
    assert messages(rates, Fake(), size=50) == 4
    assert messages(rates, Fake(), size=1) == 10


def test_a_message_longer_than_the_burst_passes_and_is_paid_for_later(clock: ManualClock) -> None:
    rates, connection = made(clock, byte_rate=100.0), Fake()
    assert messages(rates, connection, size=1000) == 1
    clock.advance(7.9)
    assert messages(rates, connection) == 0
    clock.advance(0.2)
    assert messages(rates, connection) > 0


def test_the_rate_zero_is_no_bound(clock: ManualClock) -> None:
    assert messages(made(clock, shared_rate=1.0), Fake(subject="ada"), size=1 << 20) == 1000


def test_each_connection_has_its_own_share(clock: ManualClock) -> None:
    rates = made(clock, message_rate=5.0)
    assert [messages(rates, Fake()) for _ in range(3)] == [10, 10, 10]


def test_those_of_an_address_share_so_many_times_as_much(clock: ManualClock) -> None:
    rates = made(clock, message_rate=5.0, shared_rate=1.5)
    here = [messages(rates, Fake("192.0.2.1")) for _ in range(3)]
    assert here == [10, 5, 0]
    assert messages(rates, Fake("192.0.2.2")) == 10


def test_those_of_a_subject_share_so_many_times_as_much_wherever_they_are(
    clock: ManualClock,
) -> None:
    rates = made(clock, message_rate=5.0, shared_rate=1.5)
    ada = [messages(rates, Fake(f"192.0.2.{each}", "ada")) for each in range(3)]
    assert ada == [10, 5, 0]
    assert messages(rates, Fake("192.0.2.9", "bob")) == 10


def test_an_address_is_no_subject_and_bytes_are_no_messages(clock: ManualClock) -> None:
    rates = made(clock, message_rate=5.0, byte_rate=5.0, shared_rate=1.0)
    assert messages(rates, Fake("", "ada"), size=1) == 10
    assert messages(rates, Fake("ada"), size=1) == 10


def test_a_connection_without_subject_and_address_shares_no_rate(clock: ManualClock) -> None:
    rates = made(clock, message_rate=5.0, shared_rate=1.0)
    assert [messages(rates, Fake("")) for _ in range(3)] == [10, 10, 10]


def test_a_connections_data_is_its_filters_all_the_same(clock: ManualClock) -> None:
    connection = Fake(data={"name": "ada"})
    assert messages(made(clock, message_rate=5.0), connection) == 10
    assert connection.data["name"] == "ada"
