"""The token of a connection, and the groups that it is in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..errors import GroupRefused, NotServing
from ..protocol.names import checked_group
from ..tokens import Claims
from .host import Host
from .inbound import Inbound
from .upgrade_context import PeerInfo, UpgradeContext


class Grouped(Inbound):
    """A connection that has a token and joins groups; `Connection` adds what filters send."""

    __slots__ = ("_groups", "_token")

    def __init__(self, node: Host, socket: Any, peer: PeerInfo, context: UpgradeContext) -> None:
        super().__init__(node, socket, peer, context)
        self._token: Any = None
        self._groups: set[str] | None = None

    @property
    def token(self) -> Any:
        """Return the connection's token, None at first. Connections that share one are a group.

        Where tokens are checked (`auth`), it is the `Claims` of a checked one.

        Assigning a token leaves the group of the one before and joins its own. This never waits
        for the network: later messages arrive as soon as the broker has confirmed the join, for
        which `join` waits. A token of the same subject, or with the same text, changes no group.

        Raises:
            GroupNameInvalid: Its text can't be the name of a group. Nothing is changed.
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
            return  # renewed: messages to the group arrive meanwhile
        if old is not None:
            self.leave(old)
        if new is not None:
            self._join(new, wait=False)

    def hold(self, token: Any) -> None:
        """Take a token that was checked. The caller calls `join_own_group` next."""
        self._token = token

    def join_own_group(self) -> None:
        """Join the group of the connections that share the token. May wait for the broker."""
        if self._token is not None:
            self.join(group_name(self._token))

    @property
    def subject(self) -> str | None:
        """Return the subject of its checked token; None without one."""
        return self._token.subject if isinstance(self._token, Claims) else None

    @property
    def groups(self) -> frozenset[str]:
        """Return the groups that this connection is in."""
        return frozenset(self._groups or ())

    def join(self, group: str) -> None:
        """Join a group, unless the connection is in it or closed.

        May wait for the broker: when it has returned, the connection misses no later message of
        the group, or gets a notice of the gap.

        Raises:
            GroupRefused: Tokens are checked here, and this connection's does not grant the group.
            GroupNameInvalid: `group` can't be the name of a group.
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
        """Leave a group, if the connection is in it. Never waits for the broker.

        Raises:
            GroupNameInvalid: `group` can't be the name of a group.
        """
        group = checked_group(group)
        if not self.reactor.is_own_thread():
            self._run_in_loop(self.leave, group)
        elif self._groups and group in self._groups:
            self._groups.discard(group)
            self.node.leave(group, self)

    def _run_in_loop(self, function: Callable[..., None], *arguments: Any) -> None:
        """Run a function in the loop, from another thread, and wait for its end.

        Do nothing after the end of the loop: this connection has ended with it.
        """
        with suppress(NotServing):
            self.reactor.run_here(function, *arguments)


def group_name(token: Any) -> str:
    """Return the name of the group of the connections that share `token`."""
    return token.decode("utf-8", "backslashreplace") if isinstance(token, bytes) else str(token)
