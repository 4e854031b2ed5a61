"""The limit of descriptors is raised for all connections, where the system allows it."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from fws_gevent.node import descriptors
from fws_gevent.node.descriptors import RESERVED, room_for

from ..clients import ROOT

ASK = """
import resource, sys
from fws_gevent.node.descriptors import room_for
soft, hard = int(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(room_for(int(sys.argv[3])), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def in_a_process(soft: int, hard: int, connections: int) -> tuple[int, ...]:
    """Return the room for connections, and the limits after asking, in a process with limits."""
    words = [sys.executable, "-c", ASK, *map(str, (soft, hard, connections))]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(map(int, done.stdout.split()))


def test_a_limit_that_is_high_enough_is_left_alone() -> None:
    assert in_a_process(600, 700, 400) == (400, 600, 700)


def test_a_limit_that_is_too_low_is_raised_as_far_as_needed() -> None:
    assert in_a_process(200, 700, 400) == (400, 400 + RESERVED, 700)


def test_beyond_the_hard_limit_there_is_room_for_fewer() -> None:
    assert in_a_process(200, 300, 400) == (300 - RESERVED, 300, 300)
    assert in_a_process(300, 300, 400) == (300 - RESERVED, 300, 300)


def test_there_is_room_for_one_at_least() -> None:
    assert in_a_process(RESERVED, RESERVED, 400) == (1, RESERVED, RESERVED)


class Unlimited:
    """A system with the limits that a test sets."""

    RLIMIT_NOFILE, RLIM_INFINITY = resource.RLIMIT_NOFILE, resource.RLIM_INFINITY

    def __init__(self, soft: int) -> None:
        self.limits = (soft, self.RLIM_INFINITY)

    def getrlimit(self, which: int) -> tuple[int, int]:
        return self.limits

    def setrlimit(self, which: int, limits: tuple[int, int]) -> None:
        self.limits = limits


@pytest.mark.parametrize(("soft", "after"), [(100, 400 + RESERVED), (resource.RLIM_INFINITY,) * 2])
def test_a_system_without_a_hard_limit_has_room_for_all(
    soft: int, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = Unlimited(soft)
    monkeypatch.setattr(descriptors, "resource", system)
    assert room_for(400) == 400
    assert system.limits == (after, resource.RLIM_INFINITY)


def test_a_system_that_knows_no_limits_has_room_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "resource", None)
    assert room_for(400) == 400
