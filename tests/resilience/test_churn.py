"""Clients that connect, chat and vanish at random leave no trace; `make soak` runs longer."""

from __future__ import annotations

import sys

import pytest

from ..clients import ROOT
from .conftest import Run

sys.path.append(str(ROOT / "benchmarks"))

from soak import churn
from soak.churn import FILTERS, PING, Census, wrong

QUIET = Census(
    connects=9, disconnects=9, users=0, groups=0, greenlets=4, resident=50 << 20, descriptors=8
)


def test_clients_that_come_and_go_leave_no_trace(run: Run) -> None:
    site = run(FILTERS, ping_interval=PING, ping_timeout=PING, close_timeout=PING)
    told: list[str] = []
    assert churn.run(site, seed=1, seconds=4, clients=40, report=told.append) == []
    assert told[-1].startswith("close ")


@pytest.mark.parametrize(
    ("after", "complaint"),
    [
        (QUIET, None),
        (QUIET._replace(disconnects=8), "9 connects, but 8 disconnects"),
        (QUIET._replace(users=1), "1 users are left"),
        (QUIET._replace(groups=2), "2 groups are left"),
        (QUIET._replace(greenlets=9), "5 greenlets more than before"),
        (QUIET._replace(descriptors=20), "12 descriptors more than before"),
    ],
)
def test_the_books_name_each_difference(after: Census, complaint: str | None) -> None:
    assert wrong(QUIET, after, []) == ([] if complaint is None else [complaint])


def test_memory_may_grow_at_first_but_not_steadily() -> None:
    def grown(*sizes: int) -> list[str]:
        return wrong(QUIET, QUIET, [QUIET._replace(resident=size << 20) for size in sizes])

    assert grown(40, 60, 60, 62) == []
    assert grown(40, 50, 60, 70) == ["memory grew by 20480 KiB in the second half"]
