"""The successor of a refresh token."""

from __future__ import annotations

import re

import pytest

from fws_gevent.tokens.succession import new_salt, successor_of


def test_a_successor_is_the_same_for_the_same_token_and_salt_alone() -> None:
    salts = {new_salt() for _ in range(100)}
    assert len(salts) == 100
    made = {successor_of(token, salt) for token in ("a", "b") for salt in salts}
    assert len(made) == 200
    assert successor_of("a", "1") == successor_of("a", "1")
    # The HMAC-SHA256 of the purpose and the salt, keyed with the token.
    assert successor_of("token", "salt") == "w0fq2_OrKdZPOl813OGHJ9s_DbDAdUy9d-0QxuxXWgM"


@pytest.mark.parametrize("token", ["", "\udcff\x00", "x" * 10_000])
def test_any_text_that_is_presented_has_one(token: str) -> None:
    assert re.fullmatch(r"[\w-]{43}", successor_of(token, new_salt()))
