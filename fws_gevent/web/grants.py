"""Grants of tokens, and the hooks of an application that give them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGrant:
    """The subject and the rights of a token: the answer of a `token_for_request` hook.

    `groups` are the groups that the token may join, patterns such as `room:*` included. `scope`
    lists its other rights, separated by spaces. `ttl` is its lifetime in seconds (`token_ttl` by
    default).
    """

    subject: str
    groups: Collection[str] = ()
    scope: str = ""
    ttl: float | None = None


Grant = TokenGrant | Mapping[str, Any] | str | None
"""An answer of a hook: a grant, a dict of its fields, a subject alone, or None for nobody."""

RequestHook = Callable[[], Grant]
"""A function that names the user of the present request."""

SubjectHook = Callable[[str], Grant]
"""A function that gives the present rights of a subject."""


@dataclass(slots=True)
class Hooks:
    """The functions by which the application names its users and their rights."""

    for_request: RequestHook | None = None
    """The `token_for_request` hook."""
    for_subject: SubjectHook | None = None
    """The `token_for_subject` hook."""


class TokenResponse(TypedDict):
    """An issued token, as `/fws/token` answers it in JSON (RFC 6749 §5.1)."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str
    refresh_token: NotRequired[str]


def as_grant(answer: Grant) -> TokenGrant | None:
    """Return a hook's answer as a grant."""
    if isinstance(answer, str):
        return TokenGrant(subject=answer)
    if isinstance(answer, Mapping):
        return TokenGrant(**answer)
    return answer
