"""Tokens that must not be valid, and the reasons that are told."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fws_gevent.errors import TokenInvalid
from fws_gevent.tokens import Claims
from fws_gevent.tokens.decoding import MAX_TOKEN

from .issuing import (
    KEYS_OF,
    OTHER_SECRET,
    SECRET,
    base64url,
    by_hand,
    issued_elsewhere,
    payload,
    private,
    private_pem,
    public_pem,
    refusal,
    service,
    service_with,
)

ALGORITHM = "the token is signed with another algorithm"
SIGNATURE = "the token's signature doesn't fit"
MALFORMED = "the token is malformed"


def unsigned(algorithm: Any, signature: bytes = b"") -> str:
    header = json.dumps({"alg": algorithm, "typ": "JWT"}).encode()
    parts = (header, json.dumps(payload()).encode(), signature)
    return b".".join(base64url(part) for part in parts).decode()


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "none ", "", None, False])
@pytest.mark.parametrize("configured", ["HS256", *KEYS_OF])
def test_an_unsigned_token_is_refused_in_any_spelling(
    tmp_path: Path, algorithm: Any, configured: str
) -> None:
    tokens = service()
    if configured != "HS256":
        tokens = service_with(tmp_path, configured, a=private_pem(KEYS_OF[configured]))
    assert refusal(tokens, unsigned(algorithm)) == ALGORITHM
    assert refusal(tokens, unsigned(algorithm, b"x" * 32)) == ALGORITHM
    signed = by_hand({"alg": algorithm}, payload())
    assert refusal(tokens, signed) == ALGORITHM


@pytest.mark.parametrize("algorithm", [..., "hs256", "HS384", "HS512", ["HS256"], {"HS256": 1}, 5])
def test_the_algorithm_is_the_configured_one(algorithm: Any) -> None:
    header = {} if algorithm is ... else {"alg": algorithm}
    assert refusal(service(), by_hand(header, payload())) == ALGORITHM


def test_the_same_key_with_another_hash_is_refused(tmp_path: Path) -> None:
    secret = SECRET * 2
    for algorithm in ("HS384", "HS512"):
        token = issued_elsewhere(payload(), secret, algorithm)
        assert refusal(service(signing_key=secret), token) == ALGORITHM
    tokens = service_with(tmp_path, "RS256", a=private_pem("rsa"))
    for algorithm in ("PS256", "RS384", "RS512"):
        token = issued_elsewhere(payload(), private("rsa"), algorithm)
        assert refusal(tokens, token) == ALGORITHM


@pytest.mark.parametrize("configured", KEYS_OF)
def test_a_public_key_is_not_a_secret(tmp_path: Path, configured: str) -> None:
    kind = KEYS_OF[configured]
    tokens = service_with(tmp_path, configured, a=public_pem(kind))
    pem = public_pem(kind)
    der = (
        private(kind)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    for secret in (pem, pem.strip(), pem.replace(b"\n", b"\r\n"), der):
        for header in ({"alg": "HS256"}, {"alg": "HS256", "kid": "a"}):
            assert refusal(tokens, by_hand(header, payload(), secret)) == ALGORITHM
        assert refusal(tokens, by_hand({"alg": configured}, payload(), secret)) == SIGNATURE


@pytest.mark.parametrize("algorithm", KEYS_OF)
def test_a_pair_of_keys_is_refused_where_a_secret_is_configured(algorithm: str) -> None:
    token = issued_elsewhere(payload(), private(KEYS_OF[algorithm]), algorithm)
    assert refusal(service(), token) == ALGORITHM


@pytest.mark.parametrize("configured", KEYS_OF)
def test_another_kind_of_pair_and_another_pair_are_refused(tmp_path: Path, configured: str) -> None:
    tokens = service_with(tmp_path, configured, a=private_pem(KEYS_OF[configured]))
    for algorithm, kind in KEYS_OF.items():
        if algorithm != configured:
            token = issued_elsewhere(payload(), private(kind), algorithm)
            assert refusal(tokens, token) == ALGORITHM
    theirs = service_with(tmp_path, "RS256", b=private_pem("rsa"))
    assert refusal(theirs, issued_elsewhere(payload(), private("other rsa"), "RS256")) == SIGNATURE


def test_a_key_in_the_header_of_a_token_is_ignored(tmp_path: Path) -> None:
    tokens = service_with(tmp_path, "RS256", a=private_pem("rsa"))
    own = jwt.get_algorithm_by_name("RS256").to_jwk(private("other rsa").public_key(), as_dict=True)
    brought: dict[str, Any] = {"jwk": own, "jku": "http://evil.example/", "x5u": "http://evil/"}
    token = issued_elsewhere(payload(), private("other rsa"), "RS256", **brought)
    assert refusal(tokens, token) == SIGNATURE


def test_a_token_that_was_changed_is_refused() -> None:
    header, _, signature = service().issue("ada").split(".")
    body = base64url(json.dumps(payload(sub="admin")).encode()).decode()
    assert refusal(service(), f"{header}.{body}.{signature}") == SIGNATURE
    assert refusal(service(), f"{header}.{body}.") == SIGNATURE
    assert refusal(service(), issued_elsewhere(payload(), OTHER_SECRET)) == SIGNATURE


NOW = int(time.time())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"aud": "other"}, "the token is for another audience"),
        ({"aud": "FWS"}, "the token is for another audience"),
        ({"aud": ["other", "fws2"]}, "the token is for another audience"),
        ({"aud": {"fws": 1}}, "the token is for another audience"),
        ({"aud": 5}, "the token is for another audience"),
        ({"aud": []}, "the token has no claim aud"),
        ({"iss": "other"}, "the token has another issuer"),
        ({"iss": ["fws"]}, "the token has another issuer"),
        ({"iss": 5}, "the token has another issuer"),
        ({"exp": NOW - 60}, "the token has expired"),
        ({"exp": NOW - 0.5}, "the token has expired"),
        ({"exp": 0}, "the token has expired"),
        ({"exp": -(10**400)}, "claim exp must be a number of seconds since 1970"),
        ({"nbf": NOW + 3600}, "the token is not valid yet"),
        ({"iat": NOW + 3600}, "the token is not valid yet"),
        ({"nbf": "soon"}, "claim nbf must be a number of seconds since 1970"),
        ({"nbf": None}, "claim nbf must be a number of seconds since 1970"),
        ({"exp": "soon"}, "claim exp must be a number of seconds since 1970"),
        ({"exp": [NOW + 60]}, "claim exp must be a number of seconds since 1970"),
        ({"sub": 5}, "claim sub must be a text"),
        ({"sub": ["ada"]}, "claim sub must be a text"),
        ({"sub": ""}, "claim sub must be a text"),
        ({"jti": 5}, "claim jti must be a text"),
        ({"jti": ""}, "claim jti must be a text"),
        ({"exp": "99999999999"}, "claim exp must be a number of seconds since 1970"),
        ({"exp": 10**400}, "claim exp must be a number of seconds since 1970"),
        ({"iat": "5"}, "claim iat must be a number of seconds since 1970"),
        ({"iat": True}, "claim iat must be a number of seconds since 1970"),
        ({"groups": "room"}, "claim groups must be a list of texts"),
        ({"groups": ["room", 5]}, "claim groups must be a list of texts"),
        ({"groups": None}, "claim groups must be a list of texts"),
        ({"scope": ["publish"]}, "claim scope must be a text, its parts separated by spaces"),
        ({"scope": None}, "claim scope must be a text, its parts separated by spaces"),
    ],
)
def test_wrong_claims_are_refused_and_told_by_name(changes: dict[str, Any], says: str) -> None:
    assert refusal(service(), by_hand({"alg": "HS256"}, payload(**changes))) == says


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "iat", "exp", "jti"])
def test_a_missing_claim_is_refused_by_name(missing: str) -> None:
    for value in (..., None):
        token = by_hand({"alg": "HS256"}, payload(**{missing: value}))
        assert refusal(service(), token) == f"the token has no claim {missing}"


def test_the_clocks_of_others_may_be_off_by_the_leeway() -> None:
    strict, tolerant = service(), service(token_leeway=600)
    now = int(time.time())
    for near, far in (
        ({"exp": now - 60}, {"exp": now - 700}),
        ({"iat": now + 300}, {"iat": now + 2000}),
        ({"nbf": now + 300}, {"nbf": now + 2000}),
    ):
        refusal(strict, issued_elsewhere(payload(**near)))
        assert tolerant.verify(issued_elsewhere(payload(**near))).subject == "ada"
        refusal(tolerant, issued_elsewhere(payload(**far)))


def test_a_token_that_is_too_long_is_not_looked_at() -> None:
    said = f"the token has over {MAX_TOKEN} characters"
    assert refusal(service(), issued_elsewhere(payload(more="x" * MAX_TOKEN))) == said
    assert refusal(service(), "x" * (MAX_TOKEN + 1)) == said
    assert refusal(service(), "x" * MAX_TOKEN) == MALFORMED
    assert service().verify(issued_elsewhere(payload(more="x" * 5000))).subject == "ada"


@pytest.mark.parametrize("nested", [b"[" * 2900, b'{"a":' * 1100, b'{"exp":' + b"9" * 5000 + b"}"])
def test_json_that_overloads_the_parser_is_malformed(nested: bytes) -> None:
    assert refusal(service(), by_hand({"alg": "HS256"}, nested)) == MALFORMED
    assert refusal(service(), by_hand(nested, payload())) == MALFORMED


def verified(token: str) -> Claims | None:
    """Return the claims of a token, None for a refused one; use all that takes claims."""
    tokens = service()
    try:
        claims = tokens.verify(token)
    except TokenInvalid:
        refusal(tokens, token)
        return None
    assert claims.subject
    assert isinstance(claims.scope, frozenset)
    assert str(claims).startswith("subject:")
    assert claims.may_join("room:1") in (True, False)
    assert tokens.redeem(tokens.issue_ticket(claims)) == claims
    tokens.revoke(claims)
    refusal(tokens, token)
    return claims


@settings(deadline=None)
@given(st.text() | st.from_regex(r"[\w=-]*(\.[\w=-]*){1,4}"))
@example("\ud800")
@example("..")
@example("e30.e30.")
@example("\x00.\x00.\x00")
def test_any_text_is_refused_without_another_error(text: str) -> None:
    assert verified(text) is None


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [float("inf"), float("-inf"), float("nan"), 10**400, -(10**400), 1 << 63, 1e308, 5e-324,
     True, False, None, "", "1", "9_9", "\ud800", [], {}, "fws", "ada", NOW + 60, NOW - 60]
)  # fmt: skip
JSON = ODD | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["iss", "aud", "sub", "iat", "exp", "nbf", "jti", "groups", "scope", "family", "other"]
)
HEADERS = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "cty", "other"])


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(NAMES, JSON, max_size=4))
@example({"exp": float("inf")})
@example({"iat": float("-inf")})
@example({"nbf": float("inf")})
@example({"exp": 10**400})
def test_any_claims_are_valid_or_refused_without_another_error(changes: dict[str, Any]) -> None:
    verified(by_hand({"alg": "HS256"}, payload(**changes)))


@settings(deadline=None)
@given(st.dictionaries(HEADERS, JSON, max_size=3) | JSON, st.builds(payload) | JSON)
def test_any_header_is_valid_or_refused_without_another_error(header: Any, claims: Any) -> None:
    verified(by_hand(header, claims))
    if isinstance(header, dict):
        verified(by_hand({"alg": "HS256", **header}, claims))


TOKEN = service().issue("ada", ["room:*"])


@settings(deadline=None)
@given(st.integers(0, len(TOKEN) - 1), st.sampled_from("aAzZ09-_=. \n\x00é"))
def test_a_token_with_another_character_says_nothing_else(place: int, character: str) -> None:
    changed = TOKEN[:place] + character + TOKEN[place + 1 :]
    claims = verified(changed)
    assert claims is None or changed == TOKEN


def test_the_signatures_by_hand_are_as_they_should_be() -> None:
    token = by_hand({"alg": "HS256"}, payload())
    signed, _, signature = token.rpartition(".")
    expected = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest()
    assert signature == base64url(expected).decode()
    assert service().verify(token).subject == "ada"


@pytest.mark.parametrize("junk", ["=", "!!!!", "\n\n\n\n", " ", "====", ".", "\u00e9"])
def test_a_token_with_anything_beside_its_three_parts_is_malformed(junk: str) -> None:
    tokens = service()
    token = tokens.issue("ada")
    assert tokens.verify(token).subject == "ada"
    for place in (0, 5, token.index("."), len(token) - 5, len(token)):
        assert refusal(tokens, token[:place] + junk + token[place:]) == MALFORMED
