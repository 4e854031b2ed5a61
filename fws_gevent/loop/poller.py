"""The poller of sockets: epoll on Linux, gevent's watchers on other systems.

epoll watches all sockets on one descriptor of its own, edge-triggered, and the loop watches that
descriptor. So a connection has no watcher, a wake-up is a list entry instead of a callback, and
reading and writing need no further epoll_ctl.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any, Protocol

from gevent.monkey import get_original

READ, WRITE = 0x001, 0x004
HANGUP = 0x2018
"""The events of a descriptor, with epoll's numbers: EPOLLIN, EPOLLOUT, and any of EPOLLRDHUP,
EPOLLHUP and EPOLLERR."""

_IO_READ, _IO_WRITE = 1, 2  # libev's

Wake = Callable[[], None]


class Poller(Protocol):
    """Reports once when a descriptor becomes readable, writable or hung up (edge-triggered).

    `rearm(descriptor, events)` asks for `events` of it again, which were used up. It is None where
    edges come by themselves.
    """

    rearm: Callable[[int, int], None] | None

    def add(self, descriptor: int) -> None:
        """Begin to watch `descriptor`."""

    def remove(self, descriptor: int) -> None:
        """End watching `descriptor`. Call this before it is closed."""

    def poll(self) -> list[tuple[int, int]]:
        """Return the descriptors that have events, with these, without waiting."""

    def close(self) -> None:
        """Free the resources of the poller."""

    def abandon(self) -> None:
        """Free the descriptors in a forked child, and leave the loop alone."""


def make_poller(loop: Any, wake: Wake) -> Poller:
    """Return the best poller for this system; `wake` is called in the hub if there are events."""
    return EpollPoller(loop, wake) if hasattr(select, "EPOLLET") else WatcherPoller(loop, wake)


class EpollPoller:
    """Linux: an epoll of our own inside the loop's."""

    MAX_EVENTS = 256

    def __init__(self, loop: Any, wake: Wake) -> None:
        # gevent removes epoll from `select` when it patches, since its poll() would block the
        # loop. Here its time-out is always 0.
        self._epoll = get_original("select", "epoll")()
        self._flags = READ | WRITE | select.EPOLLRDHUP | select.EPOLLET
        self._watcher = loop.io(self._epoll.fileno(), _IO_READ)
        self._watcher.start(wake)
        self.rearm: Callable[[int, int], None] | None = None

    def add(self, descriptor: int) -> None:
        """Watch `descriptor`; its first edge comes at once."""
        self._epoll.register(descriptor, self._flags)

    def remove(self, descriptor: int) -> None:
        """End watching `descriptor`."""
        self._epoll.unregister(descriptor)

    def poll(self) -> list[tuple[int, int]]:
        """Return MAX_EVENTS events at most; the loop wakes the reactor again for the others."""
        return self._epoll.poll(0, self.MAX_EVENTS)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Free the descriptor."""
        self._watcher.stop()
        self._watcher.close()
        self._epoll.close()

    def abandon(self) -> None:
        """Close the child's copy of the descriptor; the epoll itself is the parent's."""
        self._epoll.close()


class WatcherPoller:
    """Other systems: a pair of gevent's watchers for each descriptor, stopped as they fire."""

    def __init__(self, loop: Any, wake: Wake) -> None:
        self._loop = loop
        self._wake = wake
        self._watchers: dict[int, tuple[Any, Any]] = {}
        self._news: dict[int, int] = {}
        self.rearm: Callable[[int, int], None] | None = self._rearm

    def add(self, descriptor: int) -> None:
        """Watch `descriptor`."""
        pair = (self._loop.io(descriptor, _IO_READ), self._loop.io(descriptor, _IO_WRITE))
        self._watchers[descriptor] = pair
        self._rearm(descriptor, READ)

    def remove(self, descriptor: int) -> None:
        """End watching `descriptor`."""
        self._news.pop(descriptor, None)
        for watcher in self._watchers.pop(descriptor):
            watcher.stop()
            watcher.close()

    def _rearm(self, descriptor: int, events: int) -> None:
        for watcher, event in zip(self._watchers[descriptor], (READ, WRITE), strict=True):
            if events & event and not watcher.active:
                watcher.start(self._fired, watcher, descriptor, event)

    def _fired(self, watcher: Any, descriptor: int, event: int) -> None:
        watcher.stop()
        self._news[descriptor] = self._news.get(descriptor, 0) | event
        self._wake()

    def poll(self) -> list[tuple[int, int]]:
        """Return the events since the last call."""
        news = list(self._news.items())
        self._news.clear()
        return news

    def close(self) -> None:
        """Free the watchers."""
        for descriptor in tuple(self._watchers):
            self.remove(descriptor)

    def abandon(self) -> None:
        """Forget the events; the watchers end with the loop."""
        self._news.clear()
