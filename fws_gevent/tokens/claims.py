"""What a valid token says."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ..errors import GroupNameInvalid, TokenInvalid
from ..protocol.names import checked_group

SUBJECT_GROUP = "subject:"
"""Begins the name of the group that all connections of one subject are in."""

PROGRAM = "client:"
"""Begins the subject of a program that has an id and a secret: no user has such a subject."""

ALL = "*"
"""The pattern that grants everything, messages to everybody included."""


class Claims(dict[str, Any]):
    """The claims of a token that was checked (RFC 7519 §4), as a dict and by name.

    As a text it is the name of the group that all connections of its subject are in.
    """

    @property
    def subject(self) -> str:
        """Whom the token stands for (`sub`)."""
        return str(self["sub"])

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that may be joined; `*` in a name stands for any text."""
        return tuple(self.get("groups", ()))

    @property
    def scope(self) -> frozenset[str]:
        """What the token is good for beside joining groups (RFC 6749 §3.3)."""
        return frozenset(str(self.get("scope", "")).split())

    @property
    def expires_at(self) -> float:
        """When it ends (`exp`), in seconds since 1970."""
        return float(self["exp"])

    @property
    def token_id(self) -> str:
        """The token's own name (`jti`)."""
        return str(self["jti"])

    def may_join(self, group: str) -> bool:
        """Return whether the token grants a group. Only its subject is in a subject's own group."""
        return may_join(self.subject, self.groups, group)

    def __str__(self) -> str:
        return group_of(self.subject)


def may_join(subject: str, groups: Iterable[str], group: str) -> bool:
    """Return whether a subject that is granted `groups` may join `group`."""
    if group.startswith(SUBJECT_GROUP):
        return group == group_of(subject)
    return covers(groups, group)


def covers(groups: Iterable[str], group: str | None) -> bool:
    """Return whether a group has a pattern among `groups`; None, everybody, has `*` alone."""
    if group is None:
        return ALL in groups
    return any(fnmatchcase(group, _literal(pattern)) for pattern in groups)


def subject_of_program(client_id: str) -> str:
    """Return the subject of a program, which is another one than a user's of the same name."""
    return PROGRAM + client_id


def group_of(subject: str) -> str:
    """Return the name of the group that all connections of a subject are in.

    Raises GroupNameInvalid for a subject that is not a text, is empty, or is longer than fits
    into a group's name.
    """
    if not isinstance(subject, str) or not subject:
        raise GroupNameInvalid(f"a subject must be a text that is not empty, not {subject!r:.40}")
    return checked_group(SUBJECT_GROUP + subject)


def checked_claims(payload: Mapping[str, Any]) -> Claims:
    """The claims of a decoded token, if they have the types that they must have.

    Raises TokenInvalid.
    """
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
        check_grant(payload["sub"], groups, program=True)
    except ValueError as error:
        raise TokenInvalid(f"claim sub or groups: {error}") from None
    return Claims(payload)


def _is_date(value: Any) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:
        return False


def check_grant(subject: str, groups: Collection[str], program: bool = False) -> None:
    """Raise ValueError for a subject or groups that no token can say.

    Patterns of groups are held to the rules for names of groups. A subject that begins with
    `client:` is a program's alone.
    """
    if isinstance(groups, str) or not all(isinstance(group, str) for group in groups):
        raise ValueError("groups must be a list of texts")
    if not isinstance(subject, str) or subject in ("", PROGRAM):
        raise ValueError("the subject must be a text")
    if subject.startswith(PROGRAM) and not program:
        raise ValueError(f"a subject that begins with {PROGRAM} must be a program's")
    group_of(subject)
    for group in groups:
        checked_group(group)


def scope_text(scope: str | Collection[str]) -> str:
    """A scope as a token has it: its parts in order, separated by spaces, each once.

    Raises ValueError for parts that are none.
    """
    parts = scope.split() if isinstance(scope, str) else scope
    if not all(isinstance(part, str) and part.split() == [part] for part in parts):
        raise ValueError("the parts of a scope must be texts without spaces")
    return " ".join(dict.fromkeys(parts))


def _literal(pattern: str) -> str:
    """A pattern in which `*` alone is special, in the words of fnmatch."""
    return pattern.replace("[", "[[]").replace("?", "[?]")
