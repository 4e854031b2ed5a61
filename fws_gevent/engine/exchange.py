"""One side of a WebSocket conversation: bytes to events, events to the buses, and its end."""

from __future__ import annotations

from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from ..errors import CloseCode
from ..message import Message
from ..protocol import frames
from ..protocol.receiver import Receiver
from .ending import AGREED, CLOSED, CLOSING, FAILING, GONE, OPEN, Ending
from .facts import Closed, Opening, Peer
from .reactor import BUFFER_SIZE

if TYPE_CHECKING:
    from .server import Server

_SLICE = 256  # events of one connection before others have their turn
_SMALL = 256  # bytes that are not worth counting
_NO_CONTEXT = Context()


class Exchange(Ending):
    """What the bytes of one connection mean, from its opening to its end.

    Its events run one after the other, in a `contextvars.Context` of their own.
    """

    __slots__ = (
        "__weakref__",
        "_backlog",
        "_opening",
        "_receiver",
        "context",
        "held",
    )

    def __init__(self, server: Server, socket: Any, peer: Peer, opening: Opening) -> None:
        super().__init__(server, socket, peer)
        self.context = copy_context()
        self._opening: Opening | None = opening
        self.held: dict[str, Any] | None = None  # the environ, while a token is awaited
        self._receiver = Receiver(server.limits, deflate=bool(peer.window_bits))
        self._backlog: list[frames.Event] | None = None

    def run(self) -> None:  # noqa: C901 - kept flat, as it says below
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
            reactor.bytes_in += size
            if size > _SMALL:
                if size == BUFFER_SIZE:
                    self.again = True  # there may be more, and no edge comes for it
                if len(events) > _SLICE:
                    events = self._put_by(events)
                reactor.work += (size >> 12) + (len(events) >> 2)
        for event in events:
            if isinstance(event, Message):
                emit = server.message_route.emit
                if emit is None:
                    self.reactor.messages_unheard += 1
                elif not self.ending:
                    emit(server, self, event)
            else:
                self._control(event)

    def _catch_up(self) -> list[frames.Event] | None:
        """The events that come before what is to be read; None to read on."""
        if self._opening is not None:
            return self._put_by(self._greet())
        if self._state >= CLOSED:
            self._finish()
            return []
        if self._backlog is not None:
            events = self._put_by(self._backlog)
            self.reactor.work += len(events) >> 2
            return events
        if self.queued > self.patience.max_queue and self._state == OPEN:
            return []  # who doesn't read isn't read either: back-pressure
        # The end of the stream comes without another edge, after what is still to be read.
        self.again = self.again or self.hung_up
        return None

    def _put_by(self, events: list[frames.Event]) -> list[frames.Event]:
        """So many events that others have their turn; the rest waits for the next run."""
        self._backlog = events[_SLICE:] or None
        self._steady = self._backlog is None and not (self.ending or self.hung_up)
        self.again = True  # for the rest, and then for what came meanwhile: its edge is used up
        return events[:_SLICE]

    def _greet(self) -> list[frames.Event]:
        """Tell that the connection opened; the events that came along with the request."""
        opening, self._opening = self._opening, None
        assert opening is not None
        if self.held is None:
            self._tell_of(opening.environ)
        self.reactor.bytes_in += len(opening.early)
        return self._decode(opening.early)

    def begin(self) -> None:
        """The token came that was waited for: what was held back happens now."""
        assert self.held is not None
        environ, self.held = self.held, None
        self._tell_of(environ)

    def _tell_of(self, environ: dict[str, Any]) -> None:
        server = self.server
        if server.connect_route.emit is not None:
            with server.around_connect(environ):
                server.connect_route.emit(server, self, environ)

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
            if self._state == OPEN:
                self._write_control(frames.encode(frames.PONG, event.payload))
        elif isinstance(event, frames.Close):
            if self._state == OPEN:
                self._end(AGREED, Closed(*event))
            elif self._state == CLOSING:
                self._state = AGREED
            self.flush()
            self.on_written()
        elif isinstance(event, frames.Fault):
            if self._state == OPEN:
                self._end(FAILING, Closed(*event))
            elif self._state == CLOSING:
                self._state = FAILING  # our Close is on its way, and there is but one
                self.on_written()

    def _finish(self) -> None:
        """Tell that the connection ended, once."""
        if self._state == GONE:
            return
        self._state = GONE
        self._backlog = None
        server = self.server
        if server.disconnect_route.emit is not None and self.held is None:
            server.disconnect_route.emit(server, self, self._closed)
        self.held = None
        self.context = _NO_CONTEXT  # it holds `current`, which holds this connection
        self.on_gone(self._closed)

    def on_gone(self, closed: Closed) -> None:
        """The disconnect event was told: nothing more comes."""
        raise NotImplementedError
