"""The filters of the servers under test."""

from __future__ import annotations

from pathlib import Path
from time import monotonic, monotonic_ns
from typing import Any

from fws_gevent.filters.base import (
    WebSocketConnectFilter,
    WebSocketDisconnectFilter,
    WebSocketMessageFilter,
)


class Join(WebSocketConnectFilter):
    """Join a group at /member."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:  # noqa: ARG003
        """Handle a new connection."""
        if web_socket_instance.path == "/member":
            web_socket_instance.join("members")


class Play(WebSocketMessageFilter):
    """At /publish send a message to the group, with the time in it; elsewhere echo it."""

    longest = 0.0
    """Seconds of the longest broadcast."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Handle a message."""
        if web_socket_instance.path == "/publish":
            data[:8] = monotonic_ns().to_bytes(8, "big")
            begun = monotonic()
            web_socket_instance.broadcast(data, "members")
            cls.longest = max(cls.longest, monotonic() - begun)
        elif data == "how long did a broadcast take?":
            web_socket_instance.send(str(cls.longest))
        elif data == "who is in a group?":
            groups = web_socket_instance.node.groups
            web_socket_instance.send(str(sum(map(len, groups.values()))))
        else:
            web_socket_instance.send(data)


class Gone(WebSocketDisconnectFilter):
    """Log the end of a connection, by the clock that all processes share."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Handle the end of a connection."""
        with Path(__file__).with_name("gone").open("a") as book:
            book.write(f"{web_socket_instance.remote_address[1]} {data.code} {monotonic()}\n")
