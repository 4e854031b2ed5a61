"""Open files: as many as there may be connections, where the system lets us."""

from __future__ import annotations

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

RESERVED = 96
"""Descriptors for what is no WebSocket: logs, Redis, HTTP, the loop's own."""


def room_for(connections: int) -> int:
    """How many of `connections` this process has descriptors for; raises its soft limit for them.

    At least one, since a server that takes nobody would only hide what is wrong.
    """
    if resource is None:
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + RESERVED
    if soft != resource.RLIM_INFINITY and soft < wanted:
        best = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if best > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (best, hard))
            soft = best
    if soft == resource.RLIM_INFINITY:
        return connections
    return max(1, min(connections, soft - RESERVED))
