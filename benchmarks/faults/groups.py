"""Faults of members that don't read, in a group with large messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.resilience.ways import Site

from .figures import Figure, Line
from .stage import LATE, Stage, Watch, wait_for_log

HEALTHY, SLOW = 20, 5
SECONDS = 5.0
AHEAD = 32
"""Messages by which the publisher may be ahead of the slowest healthy member."""
PUBLISHER_WAITS = 0.05
MANY, BURST = 100, 300
ANY = 1 << 30


def _tell_of(line: Line, told: dict[str, Any], site: Site, late: float | None) -> None:
    client = site.client()
    client.send("how long did a broadcast take?")
    broadcast = float(client.receive())
    lost = sum(told["sent"] - each for each in told["got"])
    line.figures += [
        Figure("published", told["sent"] / told["seconds"], "/s"),
        Figure("messages lost", lost, "", 0),
        Figure("p99 of the healthy", told["p99"] * 1e3, "ms", late and late * 1e3),
        Figure("longest", told["longest"] * 1e3, "ms"),
        Figure("a broadcast took", broadcast * 1e3, "ms", PUBLISHER_WAITS * 1e3),
    ]
    line.check(not told["ended"], f"{told['ended']} of the healthy were closed")
    line.check(not told["disorder"], "out of order")


def slow_members(stage: Stage) -> Iterator[Line]:
    """Publish to 25 members, five of which never read."""
    with (
        stage.site() as site,
        stage.witness("bystander", site.port) as bystander,
        stage.role("deaf", site.port, SLOW) as deaf,
        stage.role("fan", site.port, HEALTHY, SECONDS, ANY, AHEAD) as fan,
    ):
        deaf.hear()
        fan.hear()
        watch = Watch(site, bystander)
        line = Line(f"{SLOW} of {SLOW + HEALTHY} never read, 16 KiB at full speed, {SECONDS:g} s")
        fan.say("go")
        closed = wait_for_log(site, "reads too slowly", SLOW, SECONDS + 12)
        codes = deaf.ask("read")["codes"]
        told = fan.hear()
        line.check(closed and codes == [1013] * SLOW, f"the slow were closed with {codes}")
        _tell_of(line, told, site, LATE)
        watch.settle(line, None)
        yield line


def burst(stage: Stage) -> Iterator[Line]:
    """Publish a burst to a hundred members that read."""
    with (
        stage.site() as site,
        stage.witness("bystander", site.port) as bystander,
        stage.role("fan", site.port, MANY, 60, BURST, ANY) as fan,
    ):
        fan.hear()
        watch = Watch(site, bystander)
        line = Line(f"{MANY} reading members, a burst of {BURST} messages of 16 KiB")
        _tell_of(line, fan.ask("go"), site, None)
        watch.settle(line, None, late=None)
        yield line
