"""One open WebSocket, which filters call `web_socket_instance`."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from gevent.event import Event
from gevent.monkey import get_original

from ..errors import NotServing
from ..protocol.frames import SHORT_HEADERS, encode, header
from ..protocol.payload import COMPRESSED, OPCODES, Data, as_text_if_utf8, convert, frame_for
from ..storage.base import BaseStorageObject
from .groups import Grouped
from .host import Host
from .transport import FLUSH_SIZE
from .upgrade_context import PeerInfo, UpgradeContext

current: ContextVar[Connection | None] = ContextVar("fws_connection", default=None)
"""The connection whose filters run here; None elsewhere."""

get_ident = get_original("_thread", "get_ident")

_MANY = FLUSH_SIZE // 128  # short frames that are flushed at once


class Connection(Grouped):
    """One open WebSocket, as filters use it.

    All of its methods may be called from any thread, at any time. After the end of the connection
    or of its node they do nothing.

    Attributes:
        id: The name of the connection, which no other connection has.
        path: The path of the upgrade request.
        remote_address: The client's host and port.
        subprotocol: The subprotocol that was agreed on, or None.
        node: The node that serves it.
    """

    __slots__ = ("_data", "_room", "opened_at")

    def __init__(self, node: Host, socket: Any, peer: PeerInfo, context: UpgradeContext) -> None:
        super().__init__(node, socket, peer, context)
        self.opened_at = node.reactor.clock.monotonic()
        self._data: dict[str, Any] | None = None
        self._room: Event | None = None
        self.context.run(current.set, self)

    @property
    def server(self) -> Any:
        """Return the server, or the WSGI application, of this connection."""
        return self.node.server

    @property
    def users(self) -> Mapping[str, Connection]:
        """Return all connections of the node, by id."""
        return self.node.users

    @property
    def storage_object(self) -> BaseStorageObject:
        """Return the storage that filters share."""
        return self.node.storage_object

    @property
    def data(self) -> dict[str, Any]:
        """Return a dict in which filters keep what belongs to this connection."""
        if self._data is None:
            self._data = {}
        return self._data

    def send(self, data: Data) -> bool:
        """Send a message at the end of the loop's turn (RFC 6455 §6.1).

        Only a filter that sends more to its own connection than the peer reads waits here, until
        there is room or the peer is closed as too slow.

        Args:
            data: The message: `str` is sent as text, bytes as binary, a `Message` as it came.

        Returns:
            False if the connection is closed or closing, else True.

        Raises:
            TypeError: `data` has another type.
            TextNotUTF8: `data` is a text that can't be encoded.
        """
        opcode = OPCODES.get(data.__class__)
        reactor = self.reactor
        if (
            reactor.current is not self
            or self._special
            or opcode is None
            or get_ident() != reactor.thread
        ):
            return self._send_specially(data)
        # An answer from this connection's own filter, in a turn that will be flushed.
        size = len(data)
        if size < 126:
            outbox = self._outbox
            if not outbox:
                reactor.dirty.append(self)
            outbox.append(SHORT_HEADERS[opcode][size] + data)  # type: ignore[operator]
            if len(outbox) > _MANY:
                self.flush()
        elif size < FLUSH_SIZE:
            self.write(encode(opcode, data))  # type: ignore[arg-type]
        else:
            self.write_through(header(opcode, size), data)  # type: ignore[arg-type]
        if self.queued:
            self._wait_for_room()
        return True

    def _send_specially(self, data: Data) -> bool:
        """Send in the cases that `send` does not cover.

        These are other connections than that of the present filter, other types, deflate, and other
        threads.
        """
        if self.ending:
            return False
        opcode, payload = convert(data)
        frame = frame_for(opcode, payload, self.window_bits)
        reactor = self.reactor
        if not reactor.is_own_thread():
            try:
                reactor.call_here(self._send_frame, frame, size=len(frame))
            except NotServing:
                return False
            return True
        if self.window_bits:
            reactor.work += len(payload) // COMPRESSED
        self._send_frame(frame)
        return True

    def _send_frame(self, frame: bytes) -> None:
        if not self.ending:
            self.write(frame)
            self._wait_for_room()

    def sendMessage(self, data: Data) -> bool:
        """Send a message as filtered_websocket did: bytes are sent as text if they are UTF-8.

        Args:
            data: The message.

        Returns:
            True if it was accepted, as for `send`.
        """
        return self.send(as_text_if_utf8(data))

    def print(self, text: str) -> None:
        """Print a line to standard output without waiting for its reader.

        Args:
            text: The line.
        """
        self.node.print(text)

    def broadcast(self, data: Data, group: str | None = None, include_self: bool = False) -> None:
        """Send a message to all connections, or to those of a group, on all nodes.

        With Redis it returns when Redis has the message.

        Args:
            data: The message, as `send` takes it.
            group: The group; None sends to all connections.
            include_self: Send to this connection too.

        Raises:
            PublishFailed: Redis did not take the message in time.
            TypeError: `data` has a type that can't be sent.
            GroupNameInvalid: `group` can't be the name of a group.
        """
        self.node.broadcast(data, group, exclude=None if include_self else self)

    def within_rate(self, size: int) -> bool:
        """Count a message from the client against the message rates.

        Args:
            size: The bytes of the message.

        Returns:
            True if the rates allow it.
        """
        return self.node.allow(self, size)

    def _wait_for_room(self) -> None:
        """Wait in this connection's own filter until the peer has read, or is too slow."""
        if self.queued <= self.timeouts.max_queue or current.get() is not self:
            return
        room = self._room = self._room or Event()
        seconds = self.timeouts.queue_timeout * self.wheel.resolution
        while self.queued > self.timeouts.max_queue and not self.ending:
            before = self.queued
            room.clear()
            if not room.wait(seconds) and self.queued == before:
                self.too_slow()

    def on_written(self) -> None:
        """Let a filter that waits for room go on, as some output has left."""
        if self._room is not None and self.queued <= self.timeouts.max_queue:
            self._room.set()
        super().on_written()

    def on_shut(self) -> None:
        """Have the node forget the connection, whose socket is closed."""
        self.node.forget(self, self._groups or ())
        if self._room is not None:
            self._room.set()
