"""A supervised connection that listens to channels of Redis, and is replaced whenever it fails.

redis-py's PubSub is not used. It subscribes again without telling its caller, and its health check
never looks at the answers. Here a connection is known to listen, or it is replaced.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import gevent
import redis
from gevent import get_hub
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from greenlet import getcurrent

from ..clock import SYSTEM_CLOCK, Clock
from ..logs.loggers import get_logger
from ..loop.supervision import Loop
from ..redis_io.backoff import Backoff

_log = get_logger("redis")

PING_INTERVAL = 3.0
"""Seconds between two pings; their answers come over the same connection."""

PING_TIMEOUT = 3.0
"""Seconds of silence after a ping until the subscription counts as dead."""

_CHUNK = 500  # channels in one command
_TURN = 1000  # messages delivered until other greenlets run


class Listener(Protocol):
    """Receives what a subscription gets. None of its methods may block."""

    def on_listening(self, channel: bytes) -> None:
        """Note that Redis confirmed a channel: all messages on it are received from now on."""

    def on_message(self, kind: bytes, message: list[bytes]) -> int:
        """Take a message as Redis sends it; `kind` is its first word. Return its work units."""

    def on_ended(self, channel: bytes) -> None:
        """Note that the server ended a channel that is wanted.

        Raise ConnectionError to have the connection replaced.
        """

    def on_up(self, subscription: Subscription) -> None:
        """Note that the subscription listens."""

    def on_down(self, subscription: Subscription) -> None:
        """Note that the subscription lost its connection; a new attempt follows."""


class _Command(NamedTuple):
    name: str
    channels: tuple[bytes, ...]
    confirmed: bool


Wanted = dict[bytes, str]
"""Channels with the command that subscribes to each: SUBSCRIBE, PSUBSCRIBE or SSUBSCRIBE."""

_CONFIRMED = {b"subscribe", b"psubscribe", b"ssubscribe"}
_LEFT = {b"unsubscribe", b"punsubscribe", b"sunsubscribe"}


class Subscription:
    """Listens to channels of one server, over connections that `connect` makes.

    `up` is true while it listens.
    """

    def __init__(
        self, name: str, connect: Callable[[], Any], listener: Listener, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._clock = clock
        self.name = name
        self.up = False
        self.ready = Event()
        """Set while it listens."""
        self.failing = False
        """True if the last attempt to listen failed, or the connection that it made."""
        self.losses = 0
        self.wanted: Wanted = {}
        self._connect = connect
        self._listener = listener
        self._connection: Any = None
        self._commands: deque[_Command] = deque()
        self._writing = BoundedSemaphore(1)
        self._unconfirmed: Counter[bytes] = Counter()
        self._stopping = False
        self._pinged = 0.0
        self._awaits_pong = False
        self.loop = Loop("subscription", self._run, clock)

    def start(self) -> None:
        """Begin to listen."""
        self.loop.start()

    def stop(self, timeout: float) -> None:
        """Stop listening; wait for at most `timeout` seconds."""
        self._stopping = True
        # A greenlet is never killed inside redis-py, where it may hold a lock of the hub. The
        # answer to a ping wakes it instead.
        self._send("PING")
        self.loop.join(timeout)

    def subscribe(self, channel: bytes, command: str = "SUBSCRIBE") -> None:
        """Listen to a channel; `on_listening` follows when Redis has confirmed it."""
        self.wanted[channel] = command
        self._send(command, channel, confirmed=True)

    def unsubscribe(self, channel: bytes) -> None:
        """Stop listening to a channel."""
        command = self.wanted.pop(channel, None)
        if command is not None:
            self._send(command.replace("SUB", "UNSUB"), channel)

    def _send(self, command: str, *channels: bytes, confirmed: bool = False) -> None:
        """Send a command if there is a connection; a later connection subscribes to all anyway.

        `confirmed` says that Redis answers it once for each channel. These answers are counted, so
        that none of them is taken for the answer to a later command.
        """
        self._commands.append(_Command(command, channels, confirmed))
        if getcurrent() is get_hub():
            gevent.spawn(self._send_all)
        else:
            self._send_all()

    def _send_all(self) -> None:
        """Send all waiting commands in order, those of other greenlets included."""
        with self._writing:
            while self._commands:
                self._send_one(self._commands.popleft())

    def _send_one(self, command: _Command) -> None:
        connection = self._connection
        if connection is None:
            return
        if command.confirmed:
            self._unconfirmed.update(command.channels)
        try:
            connection.send_command(command.name, *command.channels, check_health=False)
        except (redis.RedisError, OSError) as error:
            _log.debug("link %s: can't send %s: %s", self.name, command.name, error)
            # Otherwise redis-py would connect again at the next command, without subscriptions.
            if self._connection is connection:
                self._connection = None
            connection.disconnect()

    # The greenlet that reads.

    def _run(self) -> None:
        backoff = Backoff()
        while not self._stopping:
            try:
                self._listen(backoff)
            except (redis.RedisError, OSError) as error:
                self._went_down(error)
            except Exception as error:  # noqa: BLE001 - no message may stop the node from listening
                _log.exception("link %s: failed; beginning anew", self.name)
                self._went_down(error)
            if not self._stopping:
                gevent.sleep(backoff.seconds())
        self._went_down(None)

    def _went_down(self, error: Exception | None) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
        self._commands.clear()
        self._unconfirmed.clear()
        if not self.up:
            if error is not None:
                # The error of the first attempt may need an operator, so it is logged once.
                if self.failing or self.losses:
                    _log.debug("link %s: %s", self.name, error)
                else:
                    _log.error("link %s: can't listen: %s", self.name, error)
                self.failing = True
            return
        self.up = False
        self.ready.clear()
        if error is not None:
            self.failing = True
            self.losses += 1
            _log.error("link %s: lost: %s; trying again until Redis is back", self.name, error)
        try:
            self._listener.on_down(self)
        except Exception:  # noqa: BLE001 - a fault of the listener does not stop the reading
            _log.exception("link %s: a listener failed", self.name)

    def _listen(self, backoff: Backoff) -> None:
        """Connect and listen until `stop`, or until it fails. Raises RedisError, OSError."""
        connection = self._connect()
        try:
            connection.connect()
        except (redis.RedisError, OSError):
            connection.disconnect()
            raise
        self._connection = connection
        self._pinged, self._awaits_pong = self._clock.monotonic(), False
        self._subscribe_to_all()
        backoff.reset()
        self.up, self.failing = True, False
        self.ready.set()
        self._listener.on_up(self)
        work = 0
        while not self._stopping:
            try:
                answer = connection.read_response(disconnect_on_error=False)
            except redis.TimeoutError:
                self._check()
                continue
            work += self._heard(answer)
            if work >= _TURN:
                work = 0
                gevent.sleep(0)
            if self._clock.monotonic() - self._pinged >= PING_INTERVAL:
                self._ping()

    def _subscribe_to_all(self) -> None:
        by_command: dict[str, list[bytes]] = {}
        for channel, command in self.wanted.items():
            by_command.setdefault(command, []).append(channel)
        for command, channels in by_command.items():
            # A Redis Cluster takes only channels of one slot in a command.
            chunk = 1 if command == "SSUBSCRIBE" else _CHUNK
            for start in range(0, len(channels), chunk):
                self._send(command, *channels[start : start + chunk], confirmed=True)

    def _check(self) -> None:
        """Ping after a silence; raise TimeoutError if a ping was not answered in time.

        Called when nothing is left to read: messages that arrived while this process itself was
        busy have been read by then.
        """
        silent = self._clock.monotonic() - self._pinged
        if self._awaits_pong and silent >= PING_TIMEOUT:
            raise redis.TimeoutError(f"no answer to a ping for {silent:.0f} s")
        if not self._awaits_pong and silent >= PING_INTERVAL:
            self._ping()

    def _ping(self) -> None:
        self._pinged, self._awaits_pong = self._clock.monotonic(), True
        self._send("PING")

    def _heard(self, answer: Any) -> int:
        """Deliver an answer of Redis; return its work units."""
        self._awaits_pong = False  # any answer proves that the connection works
        if not isinstance(answer, list) or len(answer) < 2:
            return 1
        kind, channel = answer[0], answer[1]
        if kind in _CONFIRMED:
            self._unconfirmed[channel] -= 1
            if self._unconfirmed[channel] <= 0:
                del self._unconfirmed[channel]
                if channel in self.wanted:
                    self._listener.on_listening(channel)
        elif kind in _LEFT:
            if channel in self.wanted and channel not in self._unconfirmed:
                # A Redis Cluster ends a channel when its slot moves to another server.
                self._listener.on_ended(channel)
        elif kind != b"pong":
            return self._listener.on_message(kind, answer)
        return 1
