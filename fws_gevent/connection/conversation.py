"""The close handshake: a connection's state, and its Close frames in both directions.

`states.py` has the table of states; `inbound.py` reads input and takes the peer's steps here.
"""

from __future__ import annotations

from contextlib import suppress
from secrets import token_hex
from typing import Any

from ..errors import CloseCode, NotServing
from ..logs.loggers import get_logger
from ..protocol import frames
from .closed import LOST, Closed
from .host import Host
from .keepalive import Watched
from .states import CLOSE_FRAME, TRANSITIONS, State, Step
from .tls import SecureSocket
from .upgrade_context import PeerInfo

_log = get_logger("engine")

_PING = frames.encode(frames.PING, b"")


class Conversation(Watched):
    """The state of one connection, with the steps that change it."""

    __slots__ = (
        "_closed",
        "_special",
        "_state",
        "_steady",
        "address_key",
        "id",
        "node",
        "path",
        "remote_address",
        "subprotocol",
        "window_bits",
    )

    def __init__(self, node: Host, socket: Any, peer: PeerInfo) -> None:
        secure = isinstance(socket, SecureSocket)
        super().__init__(node.reactor, socket, secure, node.wheel, node.timeouts)
        self.node = node
        self.id = token_hex(8)
        self.path, self.remote_address, self.subprotocol = peer[:3]
        self.window_bits, self.address_key = peer[3:]
        self._closed = LOST
        self._state = State.OPEN
        self._steady = False  # open, greeted and up to date, as nearly always
        self._special = bool(peer.window_bits)  # with deflate, or no longer open

    def __repr__(self) -> str:
        return f"<Connection {self.id}>"

    @property
    def peer_name(self) -> str:
        """Return the client's address for a log line."""
        host, port = self.remote_address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}" if host else "unix"

    @property
    def open(self) -> bool:
        """Return whether messages may still be sent."""
        return not self.ending

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Close the connection after the messages sent so far (RFC 6455 §7.1.2).

        Does nothing if it is closed or closing.

        Args:
            code: The close code; see `CloseCode`.
            reason: The reason, of which the first 123 bytes are sent.

        Raises:
            ValueError: `code` is not a code that an endpoint may send (RFC 6455 §7.4).
            TypeError: `reason` is not a `str`.
        """
        frames.check_close(code, reason)
        if self.reactor.is_own_thread():
            self._advance(Step.CLOSE, Closed(code, reason))
        else:
            with suppress(NotServing):  # the connection has ended with its node then
                self.reactor.call_here(self.close, code, reason)

    def _advance(self, step: Step, closed: Closed) -> None:
        """Take a step, if the table has it for the present state.

        Nothing else changes the state. `closed` becomes the data of the disconnect event, unless
        that is settled already. The new state and its deadline are set before anything is written
        or closed, because each of these may find the connection lost and take the next step.
        """
        before = self._state
        after = TRANSITIONS.get((before, step))
        if after is None:
            return
        self._state = after
        if before is State.OPEN or (before is State.CLOSING and self._cut_off(step)):
            self._closed = closed
        if before is State.OPEN:
            self._steady, self._special = False, True
            self.expect_end()
            if step in CLOSE_FRAME:
                self._write_control(frames.encode_close(*closed))
        if after is State.LINGERING:
            self.hang_up()
        elif after is State.CLOSED:
            self._shut()
        elif after is not State.CLOSING and after is not State.GONE:
            self.flush()
            self._settle()

    def _cut_off(self, step: Step) -> bool:
        """Return whether the connection is lost before our Close has left."""
        return step is Step.LOST and bool(self.queued or self._outbox)

    def _settle(self) -> None:
        """Go on with the end if all output is written."""
        if not (self.queued or self._outbox):
            self._advance(Step.WRITTEN, self._closed)

    def _shut(self) -> None:
        self.wheel.cancel(self)
        self.shut()
        self.on_shut()
        self._run_soon()

    def abandon(self) -> None:
        """Let go of the socket in a forked child, without an event and without a frame."""
        super().abandon()
        self._state = State.GONE
        self._steady, self._special = False, True

    def abort(self) -> None:
        """End at once, after an internal error."""
        self.give_up(CloseCode.INTERNAL_ERROR, "internal error")

    # Called by the transport, the loop and the deadlines.

    def on_hang_up(self) -> None:
        """Note that the peer sends nothing more: read to the end of the stream."""
        self.hung_up = True
        self._steady = False

    def on_written(self) -> None:
        """Go on reading, or with the end, as some output has left."""
        super().on_written()
        if self._state is not State.OPEN:
            self._settle()
        elif not (self.waiting or self._outbox):
            self._run_soon()

    def on_lost(self, error: OSError) -> None:
        """End, as the socket has failed."""
        self.give_up(CloseCode.ABNORMAL, f"{CloseCode.ABNORMAL.meaning}: {error.strerror}")

    def ping(self) -> None:
        """Send a Ping (RFC 6455 §5.5.2)."""
        self._write_control(_PING)

    def unanswered(self) -> None:
        """Give the peer up, which has not answered a Ping."""
        self.node.count_loss("keepalive")
        self.give_up(CloseCode.ABNORMAL, "the peer doesn't answer pings")

    def give_up(self, code: CloseCode, reason: str) -> None:
        """End without a Close, as the peer is not there to read one."""
        self._advance(Step.LOST, Closed(code, reason))

    def too_slow(self) -> None:
        """Close a reader that fell too far behind with 1013; drop and log the bytes that wait."""
        if self._state is not State.OPEN:
            return
        code = CloseCode.TRY_AGAIN_LATER
        dropped = self.drop_waiting()
        if self.node.repeats.due("slow"):
            _log.warning(
                "%s %s: reads too slowly; %d bytes dropped", self.id, self.peer_name, dropped
            )
        self.node.count_loss("slow")
        self._advance(Step.FAIL, Closed(code, code.meaning))

    def _write_control(self, frame: bytes) -> None:
        self.reactor.work += 1
        self.flush(frame)

    def _run_soon(self) -> None:
        task: Any = self
        self.reactor.schedule(task)

    def on_shut(self) -> None:
        """React to the close of the socket, before the disconnect event."""
        raise NotImplementedError
