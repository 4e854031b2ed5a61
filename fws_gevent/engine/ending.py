"""How one connection ends: Close frames, both ways, and what becomes of the socket."""

from __future__ import annotations

import logging
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from ..errors import CloseCode
from ..protocol import frames
from .facts import Closed, Peer
from .keepalive import Watched
from .transport import SecureSocket

if TYPE_CHECKING:
    from .server import Server

_log = logging.getLogger("fws_gevent.engine")

OPEN, CLOSING, AGREED, FAILING, DISCARDING, CLOSED, GONE = range(7)
# CLOSING: we sent a Close and wait for the peer's. AGREED: both were sent; the socket closes when
# ours is written. FAILING: we sent a Close and listen no more. DISCARDING: it is written, and what
# still comes is thrown away until the peer hangs up, for closing over unread bytes would destroy
# our Close on its way. CLOSED: no socket any more. GONE: the disconnect event was told.

_PING = frames.encode(frames.PING, b"")


class Ending(Watched):
    """A connection's state between open and gone, and the ways from the one to the other."""

    __slots__ = (
        "_closed",
        "_special",
        "_state",
        "_steady",
        "address_key",
        "id",
        "path",
        "remote_address",
        "server",
        "subprotocol",
        "window_bits",
    )

    def __init__(self, server: Server, socket: Any, peer: Peer) -> None:
        secure = isinstance(socket, SecureSocket)
        super().__init__(server.reactor, socket, secure, server.wheel, server.patience)
        self.server = server
        self.id = token_hex(8)
        self.path, self.remote_address, self.subprotocol = peer[:3]
        self.window_bits, self.address_key = peer[3:]
        self._closed = Closed(CloseCode.ABNORMAL, CloseCode.ABNORMAL.meaning)
        self._state = OPEN
        self._steady = False  # open, greeted and up to date: the way of nearly every run
        self._special = bool(peer.window_bits)  # deflate, or no longer open

    def __repr__(self) -> str:
        return f"<Connection {self.id}>"

    @property
    def peer_name(self) -> str:
        """The client's address for a log line."""
        host, port = self.remote_address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}" if host else "unix"

    @property
    def open(self) -> bool:
        """Whether messages can still be sent."""
        return not self.ending

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Close after what was sent so far (RFC 6455 §7.1.2); nothing happens if it is closing.

        `reason` is cut to the 123 bytes that fit. Raises ValueError for a code that can't be sent.
        """
        if not frames.is_close_code(code):
            raise ValueError(f"{code} can't be sent as a close code (RFC 6455 §7.4)")
        if self.reactor.offloading and self.reactor.elsewhere():
            self.reactor.call_here(self.close, code, reason)
        elif self._state == OPEN:
            self._end(CLOSING, Closed(code, reason))

    def on_hang_up(self) -> None:
        """The peer sends nothing more: read to the end of what there is."""
        self.hung_up = True
        self._steady = False

    def _end(self, state: int, closed: Closed) -> None:
        """Send our Close, the last frame there is, and give the peer its time."""
        self._write_control(frames.encode_close(closed.code, closed.reason))
        self._state = state
        self._steady, self._special = False, True
        self._closed = closed
        self.expect_end()

    def on_written(self) -> None:
        """Some output left: go on reading, or go on with the end."""
        super().on_written()
        if self.waiting or self._outbox:
            return
        if self._state == OPEN:
            self._run_soon()
        elif self._state == AGREED:
            self._shut()
        elif self._state == FAILING:
            self._state = DISCARDING
            self.hang_up()

    def on_lost(self, error: OSError) -> None:
        """The socket broke."""
        self.give_up(CloseCode.ABNORMAL, f"{CloseCode.ABNORMAL.meaning}: {error.strerror}")

    def ping(self) -> None:
        """Ask whether the peer is there."""
        self._write_control(_PING)

    def _write_control(self, frame: bytes) -> None:
        self.reactor.messages_out -= 1  # `flush` will count it, and it is none
        self.write(frame)

    def unanswered(self) -> None:
        """The peer was silent for too long, and said nothing to a Ping either."""
        self.server.losses["keepalive"] += 1
        self.give_up(CloseCode.ABNORMAL, "the peer doesn't answer pings")

    def give_up(self, code: CloseCode, reason: str) -> None:
        """End without a word: there is nobody to say it to."""
        if not self.ending:
            self._closed = Closed(code, reason)
        self._shut()

    def too_slow(self) -> None:
        """Close a reader that fell too far behind; what waits for it is gone, and that is said."""
        code = CloseCode.TRY_AGAIN_LATER
        dropped = self.drop_waiting()
        _log.warning("%s %s: reads too slowly; %d bytes dropped", self.id, self.peer_name, dropped)
        self.server.losses["slow"] += 1
        self._end(FAILING, Closed(code, code.meaning))
        self.flush()

    def _shut(self) -> None:
        if self._state >= CLOSED:
            return
        self._state = CLOSED
        self._steady, self._special = False, True
        self.ending = True
        self.shut()
        self.wheel.cancel(self)
        self.on_shut()
        self._run_soon()

    def _run_soon(self) -> None:
        task: Any = self  # an exchange is one
        self.reactor.schedule(task)

    def on_shut(self) -> None:
        """The socket is closed; the disconnect event is still to come."""
        raise NotImplementedError
