"""The rates of clients' messages: of one connection, and of a subject's or an address' together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..clock import SYSTEM_CLOCK, Clock
from ..settings import Settings
from .rates import Bucket, Buckets

if TYPE_CHECKING:
    from ..connection.connection import Connection

_KEY = "fws_gevent.message_rates"  # in a connection's data


class MessageRates:
    """Token buckets for the messages and the bytes of this node's connections.

    Those of one subject, and those of one address, share `shared_rate` times the rate of one.
    """

    def __init__(self, settings: Settings, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._limits = (settings.message_rate, settings.byte_rate)
        self._seconds = settings.rate_burst
        shared = [rate * settings.shared_rate for rate in self._limits]
        self._shared = [Buckets(rate, rate * self._seconds, clock) for rate in shared]

    def allow(self, connection: Connection, size: int) -> bool:
        """Count a message of `size` bytes; return whether it is within all rates."""
        amounts = (1, size)
        owners = (("subject", connection.subject), ("address", connection.address_key))
        return not any(
            bucket is not None and bucket.wait(amount)
            for bucket, amount in zip(self._own(connection), amounts, strict=True)
        ) and not any(
            name and buckets.wait((kind, name), amount)
            for kind, name in owners
            for buckets, amount in zip(self._shared, amounts, strict=True)
        )

    def _own(self, connection: Connection) -> tuple[Bucket | None, ...]:
        own: tuple[Bucket | None, ...] | None = connection.data.get(_KEY)
        if own is None:
            own = connection.data[_KEY] = tuple(
                Bucket(rate, rate * self._seconds, self._clock) if rate else None
                for rate in self._limits
            )
        return own
