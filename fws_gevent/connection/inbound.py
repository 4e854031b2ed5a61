"""The input of one connection: from bytes to events, and from events to the buses."""

from __future__ import annotations

from collections import deque
from contextvars import Context, copy_context
from sys import getrefcount
from typing import Any

from greenlet import getcurrent

from ..loop.reactor import BUFFER_SIZE
from ..loop.tasks import MUCH
from ..message import Message
from ..protocol import frames
from ..protocol.receiver import Limits, Receiver
from .closed import LOST, Closed
from .conversation import Conversation
from .host import Host
from .states import DISCARDING, State, Step
from .upgrade_context import PeerInfo, UpgradeContext

_SLICE = 256  # events of one connection, after which others have their turn
_SMALL = 256  # bytes of a read that is not counted as work
_NARROW = 2048  # bytes read at once from a connection whose token is awaited
_NO_CONTEXT = Context()


class Inbound(Conversation):
    """The reader of one connection, from its opening to its end.

    Its events run one after another, in a `contextvars.Context` of their own.
    """

    __slots__ = ("__weakref__", "_backlog", "_early", "_environ", "_receiver", "context")

    def __init__(self, node: Host, socket: Any, peer: PeerInfo, context: UpgradeContext) -> None:
        super().__init__(node, socket, peer)
        self.context = copy_context()
        self._early: bytes | None = context.early  # until they are decoded
        self._environ: dict[str, Any] | None = context.environ  # until the connect event is told
        self._receiver = Receiver(node.limits, deflate=bool(peer.window_bits))
        self._backlog: deque[frames.Event] | None = None

    def restrict(self, limits: Limits, room: int) -> None:
        """Accept only one message, within `limits`, and `room` bytes, until `widen` is called."""
        self._receiver = Receiver(limits, deflate=bool(self.window_bits), room=room)

    def widen(self) -> None:
        """Accept what every connection may send; the events behind the first message come next."""
        self._resume_with(self._receiver.widen(self.node.limits))
        self._steady = self._is_up_to_date()
        self.again = True  # to read what came meanwhile, whose edge is used up

    def run(self) -> None:  # noqa: C901 - kept flat, as it says below
        """Read and handle input, in a runner.

        This method and `Receiver.feed` are all that a message passes on its way in. They are kept
        flat: each call costs 0.05 µs of the 2 µs that a message takes outside of the kernel.
        """
        events = None if self._steady and not self.queued else self._catch_up()
        node = self.node
        if events is None:
            reactor = self.reactor
            try:
                size: int = self._socket.recv_into(reactor.buffer)
            except BlockingIOError:
                self._nothing_to_read()
                return
            except OSError as error:
                self.on_lost(error)
                return
            if not size:
                self._end_input()
                return
            self.heard = self.wheel.now
            if node.data_route.emit is None:
                events = self._receiver.feed(reactor.buffer, size)
            else:
                events = self._decode(bytes(memoryview(reactor.buffer)[:size]))
                if reactor.marked():
                    self._resume_with(events)
                    events = []
            reactor.bytes_in += size
            if size > _SMALL:
                if size == BUFFER_SIZE:
                    self.again = True  # there may be more, for which no edge comes
                if len(events) > _SLICE or self._receiver.more:
                    events = self._put_by(events)
                reactor.work += (size >> 12) + (len(events) >> 2)
                if self.window_bits:
                    reactor.work += self._receiver.take_inflated() >> 12
        if len(events) > 1:
            self._handle(events)
            return
        for event in events:
            if isinstance(event, Message):
                emit = node.message_route.emit
                if emit is None:
                    self.reactor.messages_unheard += 1
                elif not self.ending:
                    emit(node, self, event)
            else:
                self._control(event)

    def _handle(self, events: list[frames.Event]) -> None:
        """Handle several events, until a filter marks the runner or causes much work.

        Leave the rest to the next run, after others had their turn.
        """
        node, runner, rest = self.node, getcurrent(), iter(events)
        reactor = self.reactor
        attributes, clean = runner.__dict__, getrefcount(runner)
        for event in rest:
            if isinstance(event, Message):
                emit = node.message_route.emit
                if emit is None:
                    self.reactor.messages_unheard += 1
                elif not self.ending:
                    emit(node, self, event)
                    # Weak references are checked once per task, see `Reactor.marked`.
                    if attributes or getrefcount(runner) != clean or reactor.work > MUCH:
                        self._resume_with(list(rest))
                        return
            else:
                self._control(event)

    def _resume_with(self, events: list[frames.Event]) -> None:
        """Handle `events` first in the next run."""
        if events:
            if self._backlog is None:
                self._backlog = deque(events)
            else:
                self._backlog.extendleft(reversed(events))
            self._steady = False
            self.again = True

    def _catch_up(self) -> list[frames.Event] | None:
        """Return the events to handle before more is read; None to read on."""
        if self._early is not None:
            self._resume_with(self._greet())  # in a greenlet that connect filters have not marked
            self._steady = self._is_up_to_date()
            self.again = True
            return []
        if self._state is State.CLOSED:
            self._finish()
            return []
        if self._state is State.GONE:
            return []
        if self._state in DISCARDING:
            self._discard()
            return []
        if self._backlog is not None:
            backlog, self._backlog = self._backlog, None
            events = [backlog.popleft() for _ in range(min(_SLICE, len(backlog)))]
            self.reactor.work += len(events) >> 2
            return self._put_by(events, backlog)
        if self._receiver.more:
            return self._put_by(self._receiver.go_on())
        if self._receiver.narrow:
            return self._read_narrow()
        if self.queued > self.timeouts.max_queue and self._state is State.OPEN:
            return []  # back-pressure: a peer that does not read is not read from
        # The end of the stream brings no edge of its own: read until it is found.
        self.again = self.again or self.hung_up
        return None

    def _put_by(
        self, events: list[frames.Event], behind: deque[frames.Event] | None = None
    ) -> list[frames.Event]:
        """Return the events of one turn; leave the rest to the next run.

        `behind` are events that come after `events`, which are few enough.
        """
        self._backlog = behind or deque(events[_SLICE:]) or None
        self.reactor.work += self._receiver.take_inflated() >> 12
        self._steady = self._is_up_to_date()
        self.again = True  # for the rest, and for what came meanwhile, whose edge is used up
        return events[:_SLICE]

    def _is_up_to_date(self) -> bool:
        receiver = self._receiver
        behind = self._backlog is not None or self._early is not None
        return not (behind or receiver.narrow or receiver.more or self.ending or self.hung_up)

    def _nothing_to_read(self) -> None:
        self.again = False
        self.hung_up = False  # the edge was for an earlier owner of the descriptor

    def _end_input(self) -> None:
        """Begin the end, as the peer has shut its side of the stream. It may still read."""
        self.hung_up = False  # it was found: there is nothing more to read
        self._advance(Step.END_OF_INPUT, LOST)

    def _discard(self) -> None:
        """Read input and drop it: nothing counts after the peer's Close (RFC 6455 §1.4)."""
        self._backlog = None
        size = self._read(self.reactor.buffer)
        self.reactor.work += size >> 12
        self.again = self.again or self.hung_up or size == BUFFER_SIZE

    def _read_narrow(self) -> list[frames.Event]:
        """Read a little from a connection whose token is awaited."""
        with memoryview(self.reactor.buffer)[:_NARROW] as piece:
            raw = bytes(piece[: self._read(piece)])
        if not raw:
            return []
        self.again = True  # for the rest of what came
        self.heard = self.wheel.now
        events = self._decode(raw)
        if self.reactor.marked():
            self._resume_with(events)
            return []
        return events

    def _read(self, buffer: bytearray | memoryview) -> int:
        """Read into `buffer`; return the size, 0 if there is nothing or the stream has ended."""
        try:
            size: int = self._socket.recv_into(buffer)
        except BlockingIOError:
            self._nothing_to_read()
            return 0
        except OSError as error:
            self.on_lost(error)
            return 0
        if not size:
            self._end_input()
        self.reactor.bytes_in += size
        return size

    def _greet(self) -> list[frames.Event]:
        """Begin, unless a token is awaited; return the events that came with the request."""
        early, self._early = self._early, None
        assert early is not None
        if self._environ is not None:  # else an earlier run has done this
            if self.enter():
                self.begin()
            if early and self._environ is None and self.reactor.marked():
                self._early = early
                return []
        self.reactor.bytes_in += len(early)
        return self._decode(early)

    def enter(self) -> bool:
        """Join the group of the token; return whether events may begin. May wait."""
        return self.node.enter(self) and not self.ending

    def begin(self) -> None:
        """Emit the connect event."""
        environ, self._environ = self._environ, None
        assert environ is not None
        if not self.node.emit_connect(self, environ):
            self._environ = environ  # then there is no disconnect event either

    def _decode(self, raw: bytes) -> list[frames.Event]:
        """Decode bytes from the wire, after the data chain."""
        emit = self.node.data_route.emit
        if emit is not None and raw:
            answer = emit(self.node, self, raw)
            raw = raw if answer is None else answer
        receiver = self._receiver
        return receiver.feed_narrow(raw) if receiver.narrow else receiver.feed(raw, len(raw))

    def _control(self, event: frames.Event) -> None:
        if isinstance(event, frames.Ping):
            if self._state is State.OPEN:
                self._write_control(frames.encode(frames.PONG, event.payload))
        elif isinstance(event, frames.Close):
            self._advance(Step.PEER_CLOSE, Closed(*event))
        elif isinstance(event, frames.Fault):
            self._advance(Step.FAIL, Closed(*event))

    def _finish(self) -> None:
        """End the connection for its node, once: emit the disconnect event."""
        self._advance(Step.EMITTED, self._closed)
        self._backlog = None
        connected = self._environ is None
        self._environ = None
        try:
            self.node.gone(self, self._closed, connected=connected)
        finally:
            self.context = _NO_CONTEXT  # it holds `current`, which holds this connection
