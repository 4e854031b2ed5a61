"""The names of everything in Redis; docs/redis_keys.md has them with types and lifetimes."""

from __future__ import annotations

import re

from ..errors import ConfigurationError
from ..settings.texts import key_prefix

EVERYBODY = "*"
"""Stands for all connections where a group's name would stand."""

_SPECIAL = re.compile(r"[%{}*]")


class Keys:
    """The names of one server's keys, all beginning with `prefix`.

    What is in braces is a hash tag: Redis Cluster keeps the keys that share one together. Raises
    ConfigurationError for a prefix that would change that.
    """

    def __init__(self, prefix: str) -> None:
        try:
            self.prefix = key_prefix(prefix)
        except ValueError as error:
            raise ConfigurationError(f"the prefix of Redis keys {error}, not {prefix!r}") from None

    def data(self, key: bytes) -> bytes:
        """A storage object's set. Raises ValueError for the names of the server's own keys."""
        if key.startswith(b"{"):
            raise ValueError(f"a key of the storage object can't begin with a brace: {key!r}")
        return _encoded(self.prefix) + b":" + key

    def stream(self, group: str | None) -> bytes:
        """A group's stream, which is also the channel that it is sent over; None for everybody."""
        return self._of(tag(group), "stream")

    def sent(self, group: str | None, message_id: str) -> bytes:
        """Remembers that a message was published."""
        return self._of(tag(group), f"sent:{message_id}")

    def members(self, group: str, node: str) -> bytes:
        """A group's members on one node: a hash of connection ids and subjects."""
        return self._of(tag(group), f"members:{node}")

    def holders(self, group: str) -> bytes:
        """The nodes that have members of a group."""
        return self._of(tag(group), "nodes")

    @property
    def nodes(self) -> bytes:
        """The ids of all nodes."""
        return self._of(EVERYBODY, "nodes")

    def node(self, node: str) -> bytes:
        """What a node says of itself, for as long as it is taken to be alive."""
        return self._of(EVERYBODY, f"node:{node}")

    def groups(self, node: str) -> bytes:
        """The groups of which a node has members."""
        return self._of(EVERYBODY, f"groups:{node}")

    def cleaning(self, node: str) -> bytes:
        """Taken by whoever clears away what a dead node left."""
        return self._of(EVERYBODY, f"cleaning:{node}")

    @property
    def revoked(self) -> bytes:
        """Revocations with the second of each."""
        return self._of(EVERYBODY, "revoked")

    @property
    def revoked_until(self) -> bytes:
        """Revocations by when they may be forgotten."""
        return self._of(EVERYBODY, "revoked_until")

    def ticket(self, digest: str) -> bytes:
        """A ticket, by its SHA-256."""
        return self._of(digest, "ticket")

    def refresh(self, digest: str) -> bytes:
        """A refresh token, by its SHA-256."""
        return self._of(digest, "refresh")

    def owned(self, owner: str, sort: str) -> bytes:
        """Return the key of what one subject, by its SHA-256, has of a sort, by when it ends."""
        return self._of(owner, f"own:{sort}")

    def successor(self, digest: str) -> bytes:
        """The salt of what takes a refresh token's place, by that token's SHA-256."""
        return self._of(digest, "successor")

    def _of(self, hash_tag: str, name: str) -> bytes:
        return _encoded(f"{self.prefix}:{{{hash_tag}}}:{name}")


def tag(group: str | None) -> str:
    """A group's name in keys: percent signs, braces and asterisks are written %25 %7B %7D %2A.

    So the braces of the hash tag end where they should, and `*` is everybody alone.
    """
    if group is None:
        return EVERYBODY
    return _SPECIAL.sub(lambda found: f"%{ord(found[0]):02X}", group)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
