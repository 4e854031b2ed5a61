"""Rooms: access, and the list of people."""

from __future__ import annotations

import json

from ..clients import Command
from .conftest import Meet


def test_entering_shows_the_people_and_oneself_to_them(port: int, meet: Meet) -> None:
    ada = meet(port, "Ada")
    assert ada.hear("people") == {"type": "people", "room": "lobby", "people": ["Ada"]}
    linus = meet(port, "linus")
    for each in (ada, linus):
        each.see("Ada", "linus")


def test_leaving_removes_a_name_from_the_lists(port: int, meet: Meet) -> None:
    ada, linus, grace = (meet(port, name) for name in ("Ada", "Linus", "Grace"))
    ada.see("Ada", "Grace", "Linus")
    linus.drop()
    ada.see("Ada", "Grace")
    assert grace.client is not None
    grace.client.close()
    ada.see("Ada")


def test_several_windows_of_one_person_are_one_name_until_the_last_closes(
    port: int, meet: Meet
) -> None:
    ada, *linus = meet(port, "Ada"), meet(port, "Linus"), meet(port, "Linus")
    ada.see("Ada", "Linus")
    linus[0].drop()
    linus[1].say("still here")
    ada.hear("said")
    ada.enter("lobby")  # asks who is there
    ada.see("Ada", "Linus")
    linus[1].drop()
    ada.see("Ada")


def test_a_connection_is_in_one_room_and_gets_only_its_messages(port: int, meet: Meet) -> None:
    ada, linus = meet(port, "Ada"), meet(port, "Linus")
    ada.see("Ada", "Linus")
    linus.enter("garden")
    ada.see("Ada")
    linus.see("Linus")
    ada.say("in the lobby")
    linus.say("in the garden")
    assert linus.hear("said")["name"] == "Linus"
    ada.enter("garden")
    linus.see("Ada", "Linus")


def test_the_staff_room_is_for_staff(port: int, meet: Meet) -> None:
    ada, linus = meet(port, "Ada", "staff"), meet(port, "Linus")
    assert ada.hear("people")["room"] == "staff"
    linus.see("Linus")
    linus.enter("staff")
    refused = {"type": "refused", "what": "enter", "why": "The room staff is not open to you."}
    assert linus.hear("refused") == refused
    linus.say("still in the lobby")
    assert linus.hear("said")["text"] == "still in the lobby"


def test_only_the_listed_rooms_can_be_entered(port: int, meet: Meet) -> None:
    linus = meet(port, "Linus", None)
    for room in ("", "*", "cellar", "subject:Ada", "x" * 9000):
        linus.enter(room)
        assert linus.hear("refused")["what"] == "enter"


def test_a_closed_connection_leaves_nothing_behind(server: Command, meet: Meet) -> None:
    for number in range(20):
        one = meet(server.port(), f"Person {number}", "garden")
        one.hear("people")
        one.drop()
    ada = meet(server.port(), "Ada", "garden")
    ada.see("Ada")
    link = server.wait_for(r"http://\S+(/fws/status\?ticket=\S+)")[1]
    ada.ask("GET", link)
    status = json.loads(ada.ask("GET", "/fws/status?format=json").text)
    assert status["connections"]["now"] == 1
    assert status["groups"] == {"count": 1, "largest": [{"name": "room:garden", "size": 1}]}
