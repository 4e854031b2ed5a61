"""The names of all keys in Redis; docs/redis_keys.md lists them with types and lifetimes."""

from __future__ import annotations

import re

from ..errors import ConfigurationError
from ..settings.texts import key_prefix

EVERYBODY = "*"
"""Stands for all connections, in place of the name of a group."""

_SPECIAL = re.compile(r"[%{}*]")


class Keys:
    """The names of a server's keys, which all begin with `prefix`.

    The part in braces is a hash tag: a Redis Cluster keeps keys with the same tag together. Raises
    ConfigurationError for a prefix that would change the tag.
    """

    def __init__(self, prefix: str) -> None:
        try:
            self.prefix = key_prefix(prefix)
        except ValueError as error:
            raise ConfigurationError(f"the prefix of Redis keys {error}, not {prefix!r}") from None

    def data(self, key: bytes) -> bytes:
        """Return the key of a set of the storage object. Raises ValueError for a reserved name."""
        if key.startswith(b"{"):
            raise ValueError(f"a key of the storage object can't begin with a brace: {key!r}")
        return _encoded(self.prefix) + b":" + key

    def stream(self, group: str | None) -> bytes:
        """Return the key of a group's stream, and the name of its channel; None is everybody."""
        return self._of(tag(group), "stream")

    def sent(self, group: str | None, message_id: str) -> bytes:
        """Return the key that records that a message was published."""
        return self._of(tag(group), f"sent:{message_id}")

    def members(self, group: str, node: str) -> bytes:
        """Return the key of a group's members on one node: a hash of ids and subjects."""
        return self._of(tag(group), f"members:{node}")

    def holders(self, group: str) -> bytes:
        """Return the key of the set of nodes that have members of a group."""
        return self._of(tag(group), "nodes")

    @property
    def nodes(self) -> bytes:
        """The key of the set of all nodes."""
        return self._of(EVERYBODY, "nodes")

    def node(self, node: str) -> bytes:
        """Return the key of a node's status, which lives as long as its lease."""
        return self._of(EVERYBODY, f"node:{node}")

    def groups(self, node: str) -> bytes:
        """Return the key of the set of groups of which a node has members."""
        return self._of(EVERYBODY, f"groups:{node}")

    def cleaning(self, node: str) -> bytes:
        """Return the key that reserves the clean-up of a dead node."""
        return self._of(EVERYBODY, f"cleaning:{node}")

    @property
    def revoked(self) -> bytes:
        """The key of the hash of revocations, with the second of each."""
        return self._of(EVERYBODY, "revoked")

    @property
    def revoked_until(self) -> bytes:
        """The key of the sorted set of revocations, by the time of their end."""
        return self._of(EVERYBODY, "revoked_until")

    def ticket(self, digest: str) -> bytes:
        """Return the key of a ticket, by its SHA-256."""
        return self._of(digest, "ticket")

    def refresh(self, digest: str) -> bytes:
        """Return the key of a refresh token, by its SHA-256."""
        return self._of(digest, "refresh")

    def owned(self, owner: str, category: str) -> bytes:
        """Return the key of a subject's entries of a category, by the time of their end.

        `owner` is the SHA-256 of the subject.
        """
        return self._of(owner, f"own:{category}")

    def successor(self, digest: str) -> bytes:
        """Return the key of the salt of a refresh token's successor, by the token's SHA-256."""
        return self._of(digest, "successor")

    def _of(self, hash_tag: str, name: str) -> bytes:
        return _encoded(f"{self.prefix}:{{{hash_tag}}}:{name}")


def tag(group: str | None) -> str:
    """Return the name of a group in keys: %25 %7B %7D %2A for percent signs, braces and asterisks.

    So the braces of the hash tag are the only ones, and `*` stands for everybody alone.
    """
    if group is None:
        return EVERYBODY
    return _SPECIAL.sub(lambda found: f"%{ord(found[0]):02X}", group)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
