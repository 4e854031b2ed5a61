"""The filters of the chat, and their answers to refused messages."""

from __future__ import annotations

import pytest

from example_app.filters import LONGEST_TEXT

from .conftest import Meet


def test_a_message_reaches_the_room_with_the_name_in_the_token(port: int, meet: Meet) -> None:
    ada, linus = meet(port, "Ada"), meet(port, "Linus")
    ada.send('{"type": "say", "text": "Hello!", "name": "Linus", "yours": 1}')
    heard = {"type": "said", "name": "Ada", "text": "Hello!"}
    assert linus.hear("said") == heard
    assert ada.hear("said") == {**heard, "yours": True}


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("a cup of :tea:?", "a cup of ☕?"),
        (" \n:sun: :sun:  ", "☀ ☀"),
        (":unknown: ::tea:: :", ":unknown: :☕: :"),
        ("<b>&amp;</b>", "<b>&amp;</b>"),
        ("OK", "OK"),
        ("half a pair: \ud800", "half a pair: \ud800"),
        ("ж" * LONGEST_TEXT + "  ", "ж" * LONGEST_TEXT),
        ("1234567890!", "1234567890!"),
    ],
)
def test_shortcodes_are_replaced_and_spaces_are_stripped(
    said: str, heard: str, port: int, meet: Meet
) -> None:
    ada = meet(port, "Ada")
    ada.say(said)
    assert ada.hear("said")["text"] == heard


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "The message is empty."),
        ("  \n ", "The message is empty."),
        ("x" * (LONGEST_TEXT + 2), "The message is 2 characters too long."),
        ("GOOD MORNING", "Please don't shout: it is all in capitals."),
    ],
)
def test_a_bad_message_is_refused_with_a_reason(said: str, why: str, port: int, meet: Meet) -> None:
    ada, linus = meet(port, "Ada"), meet(port, "Linus")
    ada.say(said)
    assert ada.hear("refused") == {"type": "refused", "what": "say", "why": why}
    ada.say("something else")
    assert linus.hear("said")["text"] == "something else"


def test_a_repeated_message_of_one_sender_is_refused(port: int, meet: Meet) -> None:
    ada, linus = meet(port, "Ada"), meet(port, "Linus")
    for _ in range(2):
        ada.say("hello")
    assert ada.hear("refused")["why"] == "You just said that."
    linus.say("hello")
    assert ada.hear("said")["name"] == "Linus"
    for text in ("something else", "hello"):
        ada.say(text)
        assert ada.hear("said")["text"] == text


@pytest.mark.parametrize(
    ("sent", "what", "why"),
    [
        ("hello", None, "This is not JSON."),
        (b"\xff\0", None, "This is not JSON."),
        ("[" * 9000, None, "This is not JSON."),
        ("[]", None, "This type of message is unknown."),
        ('{"type": "announcement"}', None, "This type of message is unknown."),
        ('{"type": ["say"]}', None, "This type of message is unknown."),
        ('{"type": "say"}', "say", "The text 'text' is missing."),
        ('{"type": "enter", "room": 1}', "enter", "The text 'room' is missing."),
    ],
)
def test_a_malformed_message_is_refused_and_the_connection_stays(
    sent: str | bytes, what: str | None, why: str, port: int, meet: Meet
) -> None:
    ada = meet(port, "Ada")
    ada.send(sent)
    assert ada.hear("refused") == {"type": "refused", "what": what, "why": why}
    ada.say("still here")
    assert ada.hear("said")["text"] == "still here"


def test_a_message_needs_a_room(port: int, meet: Meet) -> None:
    ada = meet(port, "Ada", None)
    ada.say("hello")
    assert ada.hear("refused")["why"] == "Enter a room first."
