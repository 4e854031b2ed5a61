"""The largest groups of a node, found without a look at all of them at once."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sized
from itertools import chain
from typing import Any

from ..tokens.claims import SUBJECT_GROUP

LARGEST = 50
"""Groups that are shown."""

PORTION = 5000
"""Groups that one look compares, in a few milliseconds."""


class LargestGroups:
    """Finds the LARGEST of many groups in portions, one at each look.

    Clients choose the number of groups, so the cost of a look does not depend on it. Up to PORTION
    groups are shown as they are now. With more, the names are those of the last pass over all of
    them, with their present sizes. Groups of subjects are left out.
    """

    def __init__(self, groups: Mapping[str, Sized]) -> None:
        self._groups = groups
        self._names: list[str] = []
        self._next = 0
        self._best: list[tuple[int, str]] = []
        self._found: list[str] = []

    def look(self) -> None:
        """Look at the next portion, where there are more groups than one."""
        if len(self._groups) <= PORTION:
            self._names, self._best, self._found = [], [], []
            return
        if self._next >= len(self._names):
            self._found = [name for _, name in self._best]
            self._names, self._next, self._best = list(self._groups), 0, []
        portion = self._names[self._next : self._next + PORTION]
        self._next += PORTION
        self._best = heapq.nlargest(LARGEST, chain(self._best, self._sized(portion)))

    def shown(self) -> list[dict[str, Any]]:
        """Return the names and sizes, the largest first."""
        if len(self._groups) <= PORTION:
            names: Iterable[str] = tuple(self._groups)
        else:
            names = {*self._found, *(name for _, name in self._best)}
        largest = heapq.nlargest(LARGEST, self._sized(names))
        return [{"name": name, "size": size} for size, name in largest]

    def _sized(self, names: Iterable[str]) -> Iterable[tuple[int, str]]:
        for name in names:
            members = self._groups.get(name)
            if members is not None and not name.startswith(SUBJECT_GROUP):
                yield len(members), name
