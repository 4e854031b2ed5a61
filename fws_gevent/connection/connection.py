"""One open WebSocket: what filters hold as `web_socket_instance`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from time import monotonic
from typing import Any

from gevent.event import Event
from gevent.monkey import get_original

from ..errors import GroupRefused, NotServing
from ..protocol.frames import SHORT_HEADERS, encode, header
from ..protocol.names import checked_group
from ..protocol.payload import COMPRESSED, OPCODES, Data, as_text_if_utf8, convert, frame_for
from ..storage.base import BaseStorageObject
from ..tokens import Claims
from .host import Host
from .inbound import Inbound
from .transport import FLUSH_SIZE
from .upgrade_context import PeerInfo, UpgradeContext

current: ContextVar[Connection | None] = ContextVar("fws_connection", default=None)
"""The connection whose filters run here; None elsewhere."""

get_ident = get_original("_thread", "get_ident")

_MANY = FLUSH_SIZE // 128  # short frames that are as much as is written at once


class Connection(Inbound):
    """One open WebSocket, as filters use it.

    `id` names it, `path` and `remote_address` say where it came to and from, `subprotocol` what
    was agreed on; `close(code, reason)` closes it.
    """

    __slots__ = ("_data", "_groups", "_room", "_token", "opened_at")

    def __init__(self, node: Host, socket: Any, peer: PeerInfo, context: UpgradeContext) -> None:
        super().__init__(node, socket, peer, context)
        self.opened_at = monotonic()
        self._token: Any = None
        self._groups: set[str] | None = None
        self._data: dict[str, Any] | None = None
        self._room: Event | None = None
        self.context.run(current.set, self)

    @property
    def users(self) -> Mapping[str, Connection]:
        """All connections of this server, by id."""
        return self.node.users

    @property
    def storage_object(self) -> BaseStorageObject:
        """Where the server's filters keep what they share."""
        return self.node.storage_object

    @property
    def groups(self) -> frozenset[str]:
        """The groups that this connection is in."""
        return frozenset(self._groups or ())

    @property
    def data(self) -> dict[str, Any]:
        """A dict for filters to keep things in while the connection lives."""
        if self._data is None:
            self._data = {}
        return self._data

    @property
    def token(self) -> Any:
        """The connection's token, None at first. Connections that share one are a group.

        Where tokens are checked (`auth`), it is the `Claims` of a checked one.

        Assigning a token leaves the group of the one before and joins its own, and never waits for
        the network: what this node sends to the group from then on comes, and what other nodes
        send as soon as the broker has confirmed the join (see `join`, which waits for that). A
        token of the same subject, or the same text, changes no group.

        Raises:
            GroupNameInvalid: Its text can't be the name of a group; nothing is changed.
            TypeError: Tokens are checked here, and this isn't the `Claims` of one.
        """
        return self._token

    @token.setter
    def token(self, token: Any) -> None:
        if self.node.auth and not (token is None or isinstance(token, Claims)):
            raise TypeError("with auth on, a connection's token is what its client proved")
        if not self.reactor.is_own_thread():
            self._run_in_loop(setattr, self, "token", token)
            return
        new = None if token is None else checked_group(group_name(token))
        before, self._token = self._token, token
        old = None if before is None else group_name(before)
        if old == new:
            return  # renewed: what is sent to the group meanwhile reaches it
        if old is not None:
            self.leave(old)
        if new is not None:
            self._join(new, wait=False)

    def hold(self, token: Any) -> None:
        """Take a token that was checked; `join_own_group` is to follow."""
        self._token = token

    def join_own_group(self) -> None:
        """Join the group of the connections that share its token. May wait for the broker."""
        if self._token is not None:
            self.join(group_name(self._token))

    @property
    def subject(self) -> str | None:
        """Who its checked token says it is; None without one."""
        return self._token.subject if isinstance(self._token, Claims) else None

    def send(self, data: Data) -> bool:
        """Send a message: `str` as text, bytes as binary, a `Message` as it came.

        False if the connection is closed or closing. It leaves at the end of the loop's turn.
        Only a filter that sends more to its own connection than the peer reads waits in here, for
        room, and no longer than a slow reader is borne. Raises TypeError for other types.
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
        """Send what needs a second look: to others, other types, deflate, from another thread."""
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
        """Send as the ancestor did: as `send`, but bytes go as text if they are UTF-8."""
        return self.send(as_text_if_utf8(data))

    def print(self, text: str) -> None:
        """Print a line to standard output, as `print` does, but without waiting for its reader."""
        self.node.print(text)

    def broadcast(self, data: Data, group: str | None = None, include_self: bool = False) -> None:
        """Send to all connections, or to a group's, without this one unless `include_self`.

        Raises PublishFailed, TypeError and GroupNameInvalid as the node's `broadcast` does.
        """
        self.node.broadcast(data, group, exclude=None if include_self else self)

    def within_rate(self, size: int) -> bool:
        """Count a message of `size` bytes from the client; whether the rates allow it."""
        return self.node.allow(self, size)

    def join(self, group: str) -> None:
        """Join a group; nothing happens if the connection is in it, or closed.

        Raises GroupRefused where tokens are asked for and this connection's doesn't grant it,
        GroupNameInvalid for what can't be the name of a group.
        """
        group = checked_group(group)
        if not self.reactor.is_own_thread():
            self._run_in_loop(self.join, group)
        else:
            self._join(group, wait=True)

    def _join(self, group: str, *, wait: bool) -> None:
        if self.node.auth and not self._grants(group):
            raise GroupRefused(group)
        if not self.ending:
            if self._groups is None:
                self._groups = set()
            self._groups.add(group)
            self.node.join(group, self, wait=wait)

    def _grants(self, group: str) -> bool:
        return isinstance(self._token, Claims) and self._token.may_join(group)

    def leave(self, group: str) -> None:
        """Leave a group; nothing happens if the connection isn't in it.

        Raises GroupNameInvalid for what can't be the name of a group.
        """
        group = checked_group(group)
        if not self.reactor.is_own_thread():
            self._run_in_loop(self.leave, group)
        elif self._groups and group in self._groups:
            self._groups.discard(group)
            self.node.leave(group, self)

    def _run_in_loop(self, function: Callable[..., None], *arguments: Any) -> None:
        """From another thread: run a function in the loop and wait for it.

        Nothing happens after the end of the loop, for this connection has ended with it.
        """
        with suppress(NotServing):
            self.reactor.run_here(function, *arguments)

    def _wait_for_room(self) -> None:
        """In this connection's own filter: wait until the peer has read, or is too slow."""
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
        """Some output left: a filter of this connection that waits for room may go on."""
        if self._room is not None and self.queued <= self.timeouts.max_queue:
            self._room.set()
        super().on_written()

    def on_shut(self) -> None:
        """The socket is closed: nobody sends to this connection any more."""
        self.node.forget(self, self._groups or ())
        if self._room is not None:
            self._room.set()


def group_name(token: Any) -> str:
    """The name of the group of connections that share `token`."""
    return token.decode("utf-8", "backslashreplace") if isinstance(token, bytes) else str(token)
