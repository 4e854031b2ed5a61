"""The limit of open files, raised for all connections where the system allows it."""

from __future__ import annotations

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

RESERVED = 96
"""Descriptors for all but WebSockets: logs, Redis, HTTP, the loop's own."""


def room_for(connections: int) -> int:
    """Raise the soft limit for `connections`; return the number that there are descriptors for.

    That is one at least: a server that refuses all connections would hide the cause.
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
