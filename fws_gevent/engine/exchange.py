"""One side of a WebSocket conversation: bytes to events, events to the buses, and its end."""

from __future__ import annotations

import logging
from contextvars import Context, copy_context
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from ..errors import CloseCode
from ..message import Message
from ..protocol import frames
from ..protocol.receiver import Receiver
from .facts import Closed, Opening, Peer
from .keepalive import Watched
from .reactor import BUFFER_SIZE
from .transport import SecureSocket

if TYPE_CHECKING:
    from .server import Server

_log = logging.getLogger("fws_gevent.engine")

_OPEN, _CLOSING, _AGREED, _FAILING, _DISCARDING, _CLOSED, _GONE = range(7)
# CLOSING: we sent a Close and wait for the peer's. AGREED: both were sent; the socket closes when
# ours is written. FAILING: we sent a Close and listen no more. DISCARDING: it is written, and what
# still comes is thrown away until the peer hangs up, for closing over unread bytes would destroy
# our Close on its way. CLOSED: no socket any more. GONE: the disconnect event was told.

_SLICE = 256  # events of one connection before others have their turn
_SMALL = 6 * _SLICE  # bytes that can't be more frames than that
_PING = frames.encode(frames.PING, b"")
_NO_CONTEXT = Context()


class Exchange(Watched):
    """What the bytes of one connection mean, from its opening to its end.

    Its events run one after the other, in a `contextvars.Context` of their own.
    """

    __slots__ = (
        "__weakref__",
        "_backlog",
        "_closed",
        "_opening",
        "_receiver",
        "_special",
        "_state",
        "_steady",
        "context",
        "id",
        "path",
        "remote_address",
        "server",
        "subprotocol",
        "window_bits",
    )

    def __init__(self, server: Server, socket: Any, peer: Peer, opening: Opening) -> None:
        secure = isinstance(socket, SecureSocket)
        super().__init__(server.reactor, socket, secure, server.wheel, server.patience)
        self.server = server
        self.id = token_hex(8)
        self.path, self.remote_address, self.subprotocol, self.window_bits = peer
        self.context = copy_context()
        self._opening: Opening | None = opening
        self._closed = Closed(CloseCode.ABNORMAL, CloseCode.ABNORMAL.meaning)
        self._state = _OPEN
        self._steady = False  # open, greeted and up to date: the way of nearly every run
        self._special = bool(peer.window_bits)  # deflate, or no longer open
        self._receiver = Receiver(server.limits, deflate=bool(peer.window_bits))
        self._backlog: list[frames.Event] | None = None

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
        elif self._state == _OPEN:
            self._end(_CLOSING, Closed(code, reason))

    def run(self) -> None:
        """Handle what came, in a runner.

        This and `Receiver.feed` are a message's whole way in, and are kept flat: a call less
        is 0.05 µs of the 2 µs that a message takes beside the kernel.
        """
        events = None if self._steady and not self.queued else self._catch_up()
        server = self.server
        if events is None:
            reactor = self.reactor
            try:
                size: int = self._socket.recv_into(reactor.buffer)
            except BlockingIOError:
                self.again = False
                return
            except OSError as error:
                self.on_lost(error)
                return
            if not size:
                self.give_up(CloseCode.ABNORMAL, CloseCode.ABNORMAL.meaning)
                return
            self.heard = self.wheel.now
            if server.data_route.emit is None:
                events = self._receiver.feed(reactor.buffer, size)
            else:
                events = self._decode(bytes(memoryview(reactor.buffer)[:size]))
            if size > _SMALL:
                reactor.work += size >> 12
                if size == BUFFER_SIZE:
                    self.again = True  # there may be more, and no edge comes for it
                if len(events) > _SLICE:
                    events = self._put_by(events)
        for event in events:
            if isinstance(event, Message):
                emit = server.message_route.emit
                if emit is not None and not self.ending:
                    emit(server, self, event)
            else:
                self._control(event)

    def _catch_up(self) -> list[frames.Event] | None:
        """The events that come before what is to be read; None to read on."""
        if self._opening is not None:
            return self._put_by(self._greet())
        if self._state >= _CLOSED:
            self._finish()
            return []
        if self._backlog is not None:
            return self._put_by(self._backlog)
        if self.queued > self.patience.max_queue and self._state == _OPEN:
            return []  # who doesn't read isn't read either: back-pressure
        # The end of the stream comes without another edge, after what is still to be read.
        self.again = self.again or self.hung_up
        return None

    def _put_by(self, events: list[frames.Event]) -> list[frames.Event]:
        """So many events that others have their turn; the rest waits for the next run."""
        self._backlog = events[_SLICE:] or None
        self._steady = self._backlog is None and not (self.ending or self.hung_up)
        self.again = self.again or not self._steady
        return events[:_SLICE]

    def _greet(self) -> list[frames.Event]:
        """Tell that the connection opened; the events that came along with the request."""
        opening, self._opening = self._opening, None
        assert opening is not None
        server = self.server
        if server.connect_route.emit is not None:
            server.connect_route.emit(server, self, opening.environ)
        self.again = True
        return self._decode(opening.early)

    def _decode(self, raw: bytes) -> list[frames.Event]:
        """Decode bytes from the wire, as the raw-data chain leaves them."""
        emit = self.server.data_route.emit
        if emit is not None and raw:
            answer = emit(self.server, self, raw)
            raw = raw if answer is None else answer
        return self._receiver.feed(raw, len(raw))

    def abort(self) -> None:
        """End at once, after an error of the engine's own."""
        self.give_up(CloseCode.INTERNAL_ERROR, "internal error")

    def _control(self, event: frames.Event) -> None:
        if isinstance(event, frames.Ping):
            if self._state == _OPEN:
                self.write(frames.encode(frames.PONG, event.payload))
        elif isinstance(event, frames.Close):
            if self._state == _OPEN:
                self._end(_AGREED, Closed(*event))
            elif self._state == _CLOSING:
                self._state = _AGREED
            self.flush()
            self.on_written()
        elif isinstance(event, frames.Fault):
            if self._state == _OPEN:
                self._end(_FAILING, Closed(*event))
            elif self._state == _CLOSING:
                self._state = _FAILING  # our Close is on its way, and there is but one
                self.on_written()

    # The end.

    def on_hang_up(self) -> None:
        """The peer sends nothing more: read to the end of what there is."""
        self.hung_up = True
        self._steady = False

    def _end(self, state: int, closed: Closed) -> None:
        """Send our Close, the last frame there is, and give the peer its time."""
        self.write(frames.encode_close(closed.code, closed.reason))
        self._state = state
        self._steady, self._special = False, True
        self._closed = closed
        self.expect_end()

    def on_written(self) -> None:
        """Some output left: go on reading, or go on with the end."""
        super().on_written()
        if self.waiting or self._outbox:
            return
        if self._state == _OPEN:
            self.reactor.schedule(self)
        elif self._state == _AGREED:
            self._shut()
        elif self._state == _FAILING:
            self._state = _DISCARDING
            self.hang_up()

    def on_lost(self, error: OSError) -> None:
        """The socket broke."""
        self.give_up(CloseCode.ABNORMAL, f"{CloseCode.ABNORMAL.meaning}: {error.strerror}")

    def ping(self) -> None:
        """Ask whether the peer is there."""
        self.write(_PING)

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
        self._end(_FAILING, Closed(code, code.meaning))
        self.flush()

    def _shut(self) -> None:
        if self._state >= _CLOSED:
            return
        self._state = _CLOSED
        self._steady, self._special = False, True
        self.ending = True
        self.shut()
        self.wheel.cancel(self)
        self.on_shut()
        self.reactor.schedule(self)

    def _finish(self) -> None:
        """Tell that the connection ended, once."""
        if self._state == _GONE:
            return
        self._state = _GONE
        self._backlog = None
        server = self.server
        if server.disconnect_route.emit is not None:
            server.disconnect_route.emit(server, self, self._closed)
        self.context = _NO_CONTEXT  # it holds `current`, which holds this connection
        self.on_gone(self._closed)

    def on_gone(self, closed: Closed) -> None:
        """The disconnect event was told: nothing more comes."""
        raise NotImplementedError

    def on_shut(self) -> None:
        """The socket is closed; the disconnect event is still to come."""
        raise NotImplementedError
