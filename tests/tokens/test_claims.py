"""The claims of a token, and the groups that they grant."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fws_gevent.errors import GroupNameInvalid, TokenInvalid
from fws_gevent.tokens.claims import Claims, checked_claims, group_of, scope_text

from .issuing import payload


def granting(*groups: str, sub: str = "ada") -> Claims:
    return Claims(payload(groups=list(groups), sub=sub))


def test_claims_are_read_by_name() -> None:
    claims = checked_claims(payload(exp=2e9, groups=["a", "b"], scope="publish  admin publish"))
    assert claims.subject == "ada"
    assert claims.groups == ("a", "b")
    assert claims.scope == {"publish", "admin"}
    assert claims.expires_at == 2e9
    assert claims.token_id == "id"
    assert claims["iss"] == "fws"


def test_claims_that_an_application_adds_are_kept() -> None:
    claims = checked_claims(payload(role={"level": 3}))
    assert claims["role"] == {"level": 3}


def test_claims_without_groups_and_scope_grant_nothing() -> None:
    claims = checked_claims(payload(groups=..., scope=...))
    assert claims.groups == ()
    assert claims.scope == frozenset()
    assert not claims.may_join("")
    assert not claims.may_join("room:1")


def test_as_a_text_claims_are_the_group_of_their_subject() -> None:
    assert str(Claims(payload(sub="Ada L"))) == "subject:Ada L" == group_of("Ada L")


@pytest.mark.parametrize(
    ("pattern", "group", "granted"),
    [
        ("room", "room", True),
        ("room", "Room", False),
        ("Room", "room", False),
        ("room", "room2", False),
        ("room", "a room", False),
        ("room", "room\n", False),
        ("room", "", False),
        ("", "", True),
        ("*", "", True),
        ("*", "anything:at all\n", True),
        ("room:*", "room:", True),
        ("room:*", "room:1:2", True),
        ("room:*", "room:a\nb", True),
        ("room:*", "room", False),
        ("room:*", "Room:1", False),
        ("room:*", "a room:1", False),
        ("*:read", "room:read", True),
        ("*:read", "room:read:not", False),
        ("a*c*e", "abcde", True),
        ("a*c*e", "ace", True),
        ("a*c*e", "aec", False),
        ("a**e", "ae", True),
        ("room:?", "room:?", True),
        ("room:?", "room:1", False),
        ("[ab]", "[ab]", True),
        ("[ab]", "a", False),
        ("[!a]", "[!a]", True),
        ("[!a]", "b", False),
        ("[", "[", True),
        ("[]*", "[]x", True),
        ("[?]", "[?]", True),
        ("[?]", "?", False),
        ("a.c", "abc", False),
        ("a|b", "a", False),
        ("(a", "(a", True),
        ("\\d", "\\d", True),
        ("\\d", "1", False),
        ("räume:*", "räume:ü", True),
    ],
)
def test_a_star_stands_for_any_text_and_all_else_for_itself(
    pattern: str, group: str, granted: bool
) -> None:
    assert granting("other", pattern).may_join(group) is granted


LETTERS = st.text("ab*?[]!-:.\\^\n", max_size=8)


@settings(deadline=None)
@given(LETTERS, LETTERS)
def test_a_pattern_matches_as_its_regular_expression_does(pattern: str, group: str) -> None:
    expected = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
    assert granting(pattern).may_join(group) is (expected.fullmatch(group) is not None)


@pytest.mark.parametrize(
    "groups", [(), ("*",), ("subject:*",), ("subject:bob",), ("s*",), ("subject:bo*",)]
)
def test_the_group_of_another_subject_is_never_granted(groups: tuple[str, ...]) -> None:
    claims = granting(*groups, sub="ada")
    assert claims.may_join("subject:ada")
    for group in ("subject:bob", "subject:", "subject:Ada", "subject:ada ", "subject:ada2"):
        assert not claims.may_join(group)


def test_a_subject_is_not_a_pattern() -> None:
    claims = granting("*", sub="*")
    assert claims.may_join("subject:*")
    assert not claims.may_join("subject:ada")


@pytest.mark.parametrize("letters", ["abcd", "a", "abcde"])
def test_a_long_group_name_is_answered(letters: str) -> None:
    name = (letters * (1 << 20))[: 1 << 20]
    claims = granting("a*b*c*d*e*", "*a" * 100 + "*x", "*" * 1000 + "y")
    assert claims.may_join(name) is ("e" in letters)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sub", ...),
        ("sub", ""),
        ("sub", 5),
        ("sub", None),
        ("sub", ["ada"]),
        ("jti", ...),
        ("jti", ""),
        ("jti", 5),
        ("iat", ...),
        ("iat", "5"),
        ("iat", True),
        ("exp", ...),
        ("exp", "99999999999"),
        ("exp", True),
        ("exp", None),
        ("exp", [5]),
        ("exp", float("inf")),
        ("exp", float("nan")),
        ("exp", 10**400),
        ("nbf", "soon"),
        ("nbf", None),
        ("groups", "room"),
        ("groups", None),
        ("groups", {"room": 1}),
        ("groups", ["room", 5]),
        ("groups", [["room"]]),
        ("scope", ["publish"]),
        ("scope", None),
        ("scope", 5),
    ],
)
def test_a_claim_of_the_wrong_type_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(TokenInvalid, match=f"^claim {name} must be"):
        checked_claims(payload(**{name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sub", "a" * 248),
        ("sub", "two\nlines"),
        ("sub", "\ud800"),
        ("groups", [""]),
        ("groups", ["room:*", "a" * 256]),
        ("groups", ["\x00"]),
        ("groups", ["\udfff*"]),
    ],
)
def test_an_invalid_name_is_refused(name: str, value: Any) -> None:
    with pytest.raises(TokenInvalid, match=r"^claim sub or groups: a group's name"):
        checked_claims(payload(**{name: value}))


def test_the_longest_subject_and_pattern_are_taken() -> None:
    claims = checked_claims(payload(sub="a" * 247, groups=["é" * 127 + "*"]))
    assert len(str(claims)) == 255


@pytest.mark.parametrize("subject", [None, 5, b"ada", "", "a" * 248, "\ud800", "\n"])
def test_a_subject_without_a_valid_group_is_refused(subject: Any) -> None:
    with pytest.raises(GroupNameInvalid):
        group_of(subject)


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        ("", ""),
        ((), ""),
        ("b a", "b a"),
        ("  b\ta b ", "b a"),
        (["b", "a", "b"], "b a"),
        (("publish",), "publish"),
    ],
)
def test_a_scope_is_written_each_part_once_and_in_order(scope: Any, text: str) -> None:
    assert scope_text(scope) == text


@pytest.mark.parametrize("scope", [["a b"], [""], [" a"], [5], [None], ["a", "b\n"]])
def test_a_part_of_a_scope_is_a_text_without_spaces(scope: Any) -> None:
    with pytest.raises(ValueError, match="texts without spaces"):
        scope_text(scope)
