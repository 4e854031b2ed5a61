"""The issue and check of tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
import pytest

from fws_gevent.errors import CloseCode, NotIssued, TokenInvalid
from fws_gevent.settings import Settings
from fws_gevent.tokens import Claims, Tokens
from fws_gevent.tokens.decoding import MAX_TOKEN
from fws_gevent.tokens.keys import KeyRing
from fws_gevent.tokens.store import digest

from ..clocks import ManualClock
from .issuing import (
    KEYS_OF,
    OTHER_SECRET,
    SECRET,
    issued_elsewhere,
    payload,
    private,
    private_pem,
    public_pem,
    refusal,
    service,
    service_with,
)

UNCHECKED: Any = {"verify_exp": False, "verify_aud": False}
READABLE: Any = {"audience": "fws", "issuer": "fws"}


def test_an_issued_token_is_valid_and_has_the_claims_it_was_issued_for(clock: ManualClock) -> None:
    tokens = service(clock, token_issuer="me", token_audience="you", token_ttl=200)
    claims = tokens.verify(tokens.issue("ada", ("room:*", "news"), ["publish", "admin"]))
    assert type(claims) is Claims
    assert claims.pop("jti")
    assert claims == {
        "iss": "me",
        "aud": "you",
        "sub": "ada",
        "iat": clock.now,
        "exp": clock.now + 200,
        "groups": ["room:*", "news"],
        "scope": "publish admin",
    }


def test_a_token_says_its_family_if_it_has_one() -> None:
    tokens = service()
    assert tokens.verify(tokens.issue("ada", family="f"))["family"] == "f"
    assert "family" not in tokens.verify(tokens.issue("ada"))


def test_no_two_tokens_have_the_same_id() -> None:
    tokens = service()
    ids = {tokens.verify(tokens.issue("ada")).token_id for _ in range(100)}
    assert len(ids) == 100


@pytest.mark.parametrize(
    ("ttl", "ends"), [(1, 2), (0.1, 1), (0.6, 2), (None, 3601), (9e8, 9e8 + 1)]
)
def test_a_token_lives_for_its_ttl_and_to_the_end_of_that_second(
    ttl: float | None, ends: int, clock: ManualClock
) -> None:
    second = int(clock.now)
    clock.now = second + 0.5
    claims = jwt.decode(service(clock).issue("ada", ttl=ttl), SECRET, ["HS256"], UNCHECKED)
    assert claims["iat"] == second
    assert claims["exp"] == second + ends


@pytest.mark.parametrize("subject", ["ada", "Ada Lovelace", "ünï", "*", "x" * 247])
def test_a_text_that_fits_into_a_groups_name_may_be_a_subject(subject: str) -> None:
    tokens = service()
    assert tokens.verify(tokens.issue(subject, [subject])).subject == subject


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": ""},
        {"subject": 5},
        {"subject": None},
        {"subject": b"ada"},
        {"subject": "a\nb"},
        {"subject": "\ud800"},
        {"subject": "x" * 248},
        {"groups": "room"},
        {"groups": [5]},
        {"groups": [""]},
        {"groups": ["\ud800"]},
        {"groups": ["x" * 256]},
        {"groups": ["room", None]},
        {"scope": ["a b"]},
        {"scope": [5]},
        {"ttl": 0},
        {"ttl": -1},
        {"ttl": float("nan")},
        {"ttl": float("inf")},
        {"ttl": 10**400},
        {"subject": "x" * MAX_TOKEN},
        {"groups": ["room"] * 2000},
    ],
)
def test_invalid_claims_are_not_issued(wrong: dict[str, Any]) -> None:
    tokens = service()
    with pytest.raises(ValueError, match=r"must be|must have|lives|would have|without spaces"):
        tokens.issue(**{"subject": "ada", **wrong})
    assert tokens.counts["issued"] == 0


def test_without_keys_nothing_is_issued_and_nothing_is_valid() -> None:
    tokens = Tokens(Settings(), None)
    with pytest.raises(NotIssued, match="set FWS_SIGNING_KEY"):
        tokens.issue("ada")
    assert refusal(tokens, service().issue("ada")) == "there is no key to check tokens with"


def test_a_ring_for_this_run_serves_this_run_alone() -> None:
    tokens = Tokens(Settings(), KeyRing.for_this_run())
    token = tokens.issue("ada")
    assert tokens.verify(token).subject == "ada"
    assert "names a key" not in refusal(Tokens(Settings(), KeyRing.for_this_run()), token)


@pytest.mark.parametrize("algorithm", ["HS256", *KEYS_OF])
def test_ours_are_readable_and_theirs_accepted_with_pyjwt_alone(
    tmp_path: Path, algorithm: str
) -> None:
    theirs: Any
    ours: Any
    if algorithm == "HS256":
        tokens, theirs, ours = service(), SECRET, SECRET
    else:
        kind = KEYS_OF[algorithm]
        tokens = service_with(tmp_path, algorithm, a=private_pem(kind))
        theirs, ours = private_pem(kind), public_pem(kind)
    token = tokens.issue("ada", ["room:1"], "publish")
    read = jwt.decode(token, ours, [algorithm], **READABLE)
    assert read == tokens.verify(token)
    assert jwt.get_unverified_header(token)["alg"] == algorithm
    said = payload()
    assert tokens.verify(jwt.encode(said, theirs, algorithm)) == said


@pytest.mark.parametrize(
    "changes",
    [
        {"groups": ..., "scope": ...},
        {"aud": ["other", "fws"]},
        {"exp": 2e9 + 0.5, "iat": 1.5},
        {"nbf": 5},
        {"role": {"level": [1, None]}},
    ],
)
def test_valid_tokens_of_another_application_are_accepted(changes: dict[str, Any]) -> None:
    said = payload(**changes)
    assert service().verify(issued_elsewhere(said)) == said


def test_a_token_says_which_key_signed_it(tmp_path: Path) -> None:
    assert jwt.get_unverified_header(service().issue("ada"))["kid"] == "default"
    tokens = service_with(tmp_path, "ES256", new=private_pem("p256"))
    assert jwt.get_unverified_header(tokens.issue("ada"))["kid"] == "new"


def test_a_token_without_a_kid_means_the_first_key(tmp_path: Path) -> None:
    first, second = SECRET.encode(), OTHER_SECRET.encode()
    tokens = service_with(tmp_path, "HS256", a=first, b=second)
    assert tokens.verify(issued_elsewhere(payload(), first)).subject == "ada"
    assert tokens.verify(issued_elsewhere(payload(), second, kid="b")).subject == "ada"
    for key, header in ((second, {}), (second, {"kid": "a"}), (first, {"kid": "b"})):
        assert refusal(tokens, issued_elsewhere(payload(), key, **header)) == (
            "the token's signature doesn't fit"
        )


@pytest.mark.parametrize("kid", ["c", "", "A", "default", "../a", "a\x00"])
def test_an_unknown_key_is_refused(tmp_path: Path, kid: str) -> None:
    tokens = service_with(tmp_path, "HS256", a=SECRET.encode())
    token = issued_elsewhere(payload(), kid=kid)
    assert refusal(tokens, token) == "the token names a key that is not known here"


def test_keys_are_rotated_without_ending_the_tokens_of_the_old_one(tmp_path: Path) -> None:
    old, new = private_pem("rsa"), private_pem("other rsa")
    before = service_with(tmp_path, "RS256", old=old)
    token = before.issue("ada")
    meanwhile = service_with(tmp_path, "RS256", new=new, old=old)
    assert meanwhile.verify(token).subject == "ada"
    assert jwt.get_unverified_header(meanwhile.issue("ada"))["kid"] == "new"
    assert "names a key" in refusal(before, meanwhile.issue("ada"))
    after = service_with(tmp_path, "RS256", new=new)
    assert "names a key" in refusal(after, token)
    assert after.verify(meanwhile.issue("ada")).subject == "ada"


@pytest.mark.parametrize("algorithm", KEYS_OF)
def test_a_public_key_checks_and_does_not_sign(tmp_path: Path, algorithm: str) -> None:
    kind = KEYS_OF[algorithm]
    tokens = service_with(tmp_path, algorithm, a=public_pem(kind), b=private_pem(kind))
    assert tokens.verify(jwt.encode(payload(), private(kind), algorithm)).subject == "ada"
    with pytest.raises(NotIssued, match="no key that signs"):
        tokens.issue("ada")
    assert tokens.counts["issued"] == 0


def test_issued_and_refused_tokens_are_counted() -> None:
    tokens = service()
    token = tokens.issue("ada")
    tokens.issue("ada")
    tokens.verify(token)
    for wrong in ("", "a.b.c", token + "x"):
        refusal(tokens, wrong)
    assert tokens.counts == {"issued": 2, "refused": 3, "revoked": 0}


def test_peeking_finds_the_same_as_checking_and_counts_nothing() -> None:
    tokens = service()
    token = tokens.issue("ada", ["room:*"])
    assert tokens.peek(token) == tokens.verify(token)
    tokens.revoke(tokens.verify(token))
    for wrong in (token, "", "a.b.c", issued_elsewhere(payload(), OTHER_SECRET)):
        assert tokens.peek(wrong) is None
    assert tokens.counts["refused"] == 0
    refusal(tokens, token)


def test_a_refused_token_closes_as_unauthenticated() -> None:
    assert TokenInvalid.close_code is CloseCode.UNAUTHENTICATED


def test_the_digest_of_a_secret_is_its_sha256() -> None:
    assert digest("abc").startswith("ba7816bf8f01cfea")
    assert len({digest(text) for text in ("", "a", "\ud800", "\x00", "ü")}) == 5


def test_tokens_do_not_show_their_secret() -> None:
    tokens = service()
    assert SECRET not in repr(tokens) + str(tokens)
    assert SECRET not in repr(tokens.settings) + repr(tokens.keys)
