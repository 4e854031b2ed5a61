"""The claims of a token, and the groups that they grant."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ..errors import GroupNameInvalid, TokenInvalid
from ..protocol.names import checked_group

SUBJECT_GROUP = "subject:"
"""Begins the name of the group of all connections of one subject."""

CLIENT_PREFIX = "client:"
"""Begins the subject of an OAuth client (RFC 6749 §2.2); a user can't have such a subject."""

ALL = "*"
"""The pattern that grants all groups, and messages to everybody."""


class Claims(dict[str, Any]):
    """The claims of a checked token (RFC 7519 §4), as a dict and as attributes.

    Its text is the name of the group of its subject's connections.
    """

    @property
    def subject(self) -> str:
        """The subject of the token (`sub`)."""
        return str(self["sub"])

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that it grants; `*` in a name matches any text."""
        return tuple(self.get("groups", ()))

    @property
    def scope(self) -> frozenset[str]:
        """The scope of the token, beside its groups (RFC 6749 §3.3)."""
        return frozenset(str(self.get("scope", "")).split())

    @property
    def expires_at(self) -> float:
        """The time at which it expires (`exp`), in seconds since 1970."""
        return float(self["exp"])

    @property
    def token_id(self) -> str:
        """The id of the token (`jti`)."""
        return str(self["jti"])

    def may_join(self, group: str) -> bool:
        """Return whether the token grants a group.

        Args:
            group: The name of the group. The group of a subject is granted to that subject only.

        Returns:
            True if a connection with this token may join the group.
        """
        return may_join(self.subject, self.groups, group)

    def __str__(self) -> str:
        return group_of(self.subject)


def may_join(subject: str, groups: Iterable[str], group: str) -> bool:
    """Return whether a subject with the patterns `groups` may join `group`."""
    if group.startswith(SUBJECT_GROUP):
        return group == group_of(subject)
    return covers(groups, group)


def covers(groups: Iterable[str], group: str | None) -> bool:
    """Return whether a pattern of `groups` matches a group; only `*` matches None, everybody."""
    if group is None:
        return ALL in groups
    return any(fnmatchcase(group, _literal(pattern)) for pattern in groups)


def subject_of_client(client_id: str) -> str:
    """Return the subject of an OAuth client, which differs from that of a user of that name."""
    return CLIENT_PREFIX + client_id


def group_of(subject: str) -> str:
    """Return the name of the group of a subject's connections.

    Raises GroupNameInvalid for a subject that is not a text, is empty, or is too long for a
    group's name.
    """
    if not isinstance(subject, str) or not subject:
        raise GroupNameInvalid(f"a subject must be a text that is not empty, not {subject!r:.40}")
    return checked_group(SUBJECT_GROUP + subject)


def checked_claims(payload: Mapping[str, Any]) -> Claims:
    """Return the claims of a decoded token, with their types checked. Raises TokenInvalid."""
    if not isinstance(payload.get("sub"), str) or not payload["sub"]:
        raise TokenInvalid("claim sub must be a text")
    if not isinstance(payload.get("jti"), str) or not payload["jti"]:
        raise TokenInvalid("claim jti must be a text")
    dates = {"iat": payload.get("iat"), "exp": payload.get("exp"), "nbf": payload.get("nbf", 0)}
    for name, date in dates.items():
        if not _is_date(date):
            raise TokenInvalid(f"claim {name} must be a number of seconds since 1970")
    groups = payload.get("groups", [])
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise TokenInvalid("claim groups must be a list of texts")
    if not isinstance(payload.get("scope", ""), str):
        raise TokenInvalid("claim scope must be a text, its parts separated by spaces")
    try:
        check_grant(payload["sub"], groups, client=True)
    except ValueError as error:
        raise TokenInvalid(f"claim sub or groups: {error}") from None
    return Claims(payload)


def _is_date(value: Any) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:
        return False


def check_grant(subject: str, groups: Collection[str], client: bool = False) -> None:
    """Raise ValueError for an invalid subject or invalid groups.

    Patterns of groups follow the rules for names of groups. Only with `client`, for an OAuth
    client, may the subject begin with `client:`.
    """
    if isinstance(groups, str) or not all(isinstance(group, str) for group in groups):
        raise ValueError("groups must be a list of texts")
    if not isinstance(subject, str) or subject in ("", CLIENT_PREFIX):
        raise ValueError("the subject must be a text")
    if subject.startswith(CLIENT_PREFIX) and not client:
        raise ValueError(f"a subject that begins with {CLIENT_PREFIX} must be a client's")
    group_of(subject)
    for group in groups:
        checked_group(group)


def scope_text(scope: str | Collection[str]) -> str:
    """Return a scope as a token has it: its values in order, each once, separated by spaces.

    Raises ValueError for values with spaces.
    """
    parts = scope.split() if isinstance(scope, str) else scope
    if not all(isinstance(part, str) and part.split() == [part] for part in parts):
        raise ValueError("the parts of a scope must be texts without spaces")
    return " ".join(dict.fromkeys(parts))


def _literal(pattern: str) -> str:
    """Return a pattern for fnmatch in which `*` alone is special."""
    return pattern.replace("[", "[[]").replace("?", "[?]")
