"""The token or ticket in a request; more than one is refused."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fws_gevent.errors import HandshakeRefused
from fws_gevent.protocol.credentials import Credentials, find_credentials
from fws_gevent.protocol.handshake import Headers, choose_subprotocol

NOTHING = Credentials()

visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
jwts = st.from_regex(r"[A-Za-z0-9_-]{1,20}(\.[A-Za-z0-9_-]{1,20}){2}", fullmatch=True)


def headers(*lines: tuple[str, str]) -> Headers:
    return Headers((name.lower(), value) for name, value in lines)


def protocols(*values: str) -> Headers:
    return headers(*(("Sec-WebSocket-Protocol", value) for value in values))


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("Bearer a.b.c", "a.b.c"),
        ("bearer a.b.c", "a.b.c"),
        ("BEARER   a.b.c", "a.b.c"),
        ("Bearer a.b.c  ", "a.b.c"),
        ("Bearer", None),
        ("Bearer ", None),
        ("Bearera.b.c", None),
        ("Bearer a b", None),
        ("Bearer\ta.b.c", None),
        ("Bearer é", None),
        ("Basic YWRhOng=", None),
        ("Basic Bearer x", None),
        ("", None),
    ],
)
def test_authorization_names_a_token_if_its_scheme_is_bearer(value: str, token: str | None) -> None:
    assert find_credentials(headers(("Authorization", value))) == Credentials(token=token)


@pytest.mark.parametrize(
    ("values", "token"),
    [
        (["fws, fws.bearer.a.b.c"], "a.b.c"),
        (["fws.bearer.a.b.c"], "a.b.c"),
        (["chat,fws.bearer.a.b.c ,fws"], "a.b.c"),
        (["fws", "fws.bearer.a.b.c"], "a.b.c"),
        (["fws.bearer."], ""),
        (["fws, chat"], None),
        (["FWS.bearer.a.b.c"], None),
        (["xfws.bearer.a.b.c"], None),
        ([], None),
    ],
)
def test_a_subprotocol_that_is_offered_may_be_a_token(values: list[str], token: str | None) -> None:
    assert find_credentials(protocols(*values)) == Credentials(token=token)


@pytest.mark.parametrize(
    ("query", "ticket"),
    [
        ("ticket=abc", "abc"),
        ("a=1&ticket=abc&b=2", "abc"),
        ("ticket=a%2Bb+c", "a+b c"),
        ("ticket=", None),
        ("ticket", None),
        ("Ticket=abc", None),
        ("tickets=abc", None),
        ("token=abc", None),
        ("", None),
    ],
)
def test_the_query_may_name_a_ticket(query: str, ticket: str | None) -> None:
    assert find_credentials(Headers([]), query) == Credentials(ticket=ticket)


@pytest.mark.parametrize(
    ("lines", "query"),
    [
        ([("Authorization", "Bearer x"), ("Sec-WebSocket-Protocol", "fws.bearer.x")], ""),
        ([("Authorization", "Bearer x"), ("Authorization", "Bearer x")], ""),
        ([("Sec-WebSocket-Protocol", "fws.bearer.x, fws.bearer.x")], ""),
        ([("Authorization", "Bearer x")], "ticket=x"),
        ([("Sec-WebSocket-Protocol", "fws.bearer.")], "ticket=x"),
        ([], "ticket=x&ticket=x"),
    ],
)
def test_more_than_one_is_refused_even_if_they_are_the_same(
    lines: list[tuple[str, str]], query: str
) -> None:
    with pytest.raises(HandshakeRefused, match=r"^more than one token or ticket") as refused:
        find_credentials(headers(*lines), query)
    assert refused.value.status == "400 Bad Request"


def test_another_scheme_beside_a_token_is_not_a_second_one() -> None:
    both = headers(("Authorization", "Basic eDp5"), ("Sec-WebSocket-Protocol", "fws.bearer.x"))
    assert find_credentials(both) == Credentials(token="x")


@given(jwts, st.lists(st.sampled_from(["chat", "fws", "v1.json", "fws.bearerx"]), unique=True))
def test_a_token_is_found_wherever_it_is_put(token: str, others: list[str]) -> None:
    wanted = Credentials(token=token)
    assert find_credentials(headers(("Authorization", f"Bearer {token}"))) == wanted
    for offers in ([*others, f"fws.bearer.{token}"], [f"fws.bearer.{token}", *others]):
        assert find_credentials(protocols(", ".join(offers))) == wanted
        assert find_credentials(protocols(*offers)) == wanted
        # And the offer that is a token is none that is ever agreed on.
        agreed = choose_subprotocol(protocols(*offers), ("chat", "fws"))
        assert agreed == next((each for each in ("chat", "fws") if each in others), None)


@given(st.text(min_size=1))
def test_a_ticket_is_read_as_it_was_quoted(text: str) -> None:
    try:
        quoted = quote(text, safe="")
    except UnicodeEncodeError:
        return
    assert find_credentials(Headers([]), f"x=1&ticket={quoted}") == Credentials(ticket=text)


@given(st.text(), st.text(), st.text())
def test_the_chosen_subprotocol_is_a_known_one_or_the_request_is_refused(
    authorization: str, offered: str, query: str
) -> None:
    given_ = headers(("Authorization", authorization), ("Sec-WebSocket-Protocol", offered))
    try:
        found = find_credentials(given_, query)
    except HandshakeRefused:
        return
    assert found.token is None or found.ticket is None


@given(visible)
def test_any_visible_token_is_left_as_it_is(token: str) -> None:
    assert find_credentials(headers(("Authorization", f"Bearer {token}"))).token == token
