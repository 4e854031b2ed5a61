"""The largest groups are found at a cost that does not grow with their number."""

from __future__ import annotations

from typing import Any

import pytest

from fws_gevent.node import largest_groups
from fws_gevent.node.largest_groups import LargestGroups


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(largest_groups, "LARGEST", 2)
    monkeypatch.setattr(largest_groups, "PORTION", 10)


class Groups(dict[str, range]):
    """Groups with given numbers of members, which count the look-ups."""

    looked_up = 0

    def get(self, name: str, default: Any = None) -> Any:
        self.looked_up += 1
        return super().get(name, default)


def told(found: LargestGroups) -> dict[str, int]:
    return {each["name"]: each["size"] for each in found.shown()}


def test_few_groups_are_shown_as_they_are_now() -> None:
    groups = Groups({"a": range(1), "b": range(3), "c": range(2), "subject:x": range(9)})
    found = LargestGroups(groups)
    assert list(told(found).items()) == [("b", 3), ("c", 2)]
    groups["d"] = range(4)
    found.look()
    assert told(found) == {"d": 4, "b": 3}


def test_many_are_found_in_portions_and_none_is_forgotten_in_the_next_pass() -> None:
    groups = Groups({f"{number}": range(1) for number in range(95)})
    groups |= {"big": range(7), "subject:x": range(9), "bigger": range(8)}
    found = LargestGroups(groups)
    for _ in range(25):
        before = groups.looked_up
        found.look()
        assert groups.looked_up - before <= 10
    assert told(found) == {"bigger": 8, "big": 7}
    groups["big"] = range(20)  # a size is the present one, whenever the group was found
    assert list(told(found)) == ["big", "bigger"]
    del groups["bigger"]
    assert told(found)["big"] == 20
    for _ in range(25):
        found.look()
    assert len(told(found)) == 2


def test_few_groups_are_shown_as_they_are_once_the_others_are_gone() -> None:
    groups = Groups({f"{number}": range(1) for number in range(30)})
    found = LargestGroups(groups)
    found.look()
    for number in range(29):
        del groups[f"{number}"]
    found.look()
    assert told(found) == {"29": 1}
