"""Faults of clients that send too much: endless frames, floods of pings, bombs."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

from tests.resilience.ways import STOCK

from .figures import Figure, Line
from .stage import MIB, Stage, Watch, wait_for_log

AT_ONCE = 1.0
ROOM = 16.0
"""MiB by which a server may grow."""
LIMIT = 16
"""MiB of the largest message, for the server that receives a bomb."""

ATTACKS = {
    "2 GiB": ("a frame of 2 GiB announced, 64 MiB sent", 1009),
    "endless": ("an endless message in fragments of 64 KiB", 1009),
    "tiny": ("300,000 fragments of 1 byte", 1008),
    "empty": ("300,000 empty fragments", 1008),
}


def nothing(stage: Stage) -> Iterator[Line]:
    """Play no fault, to see the noise of this machine."""
    with stage.site() as site, stage.witness("bystander", site.port) as bystander:
        watch, line = Watch(site, bystander), Line("none, for comparison (3 s)")
        wait_for_log(site, "nothing writes this", seconds=3.0)
        watch.settle(line, None, late=None)
        yield line


def too_much(stage: Stage) -> Iterator[Line]:
    """Send messages that are too big, or have too many fragments."""
    with stage.site() as site, stage.witness("bystander", site.port) as bystander:
        for what, (fault, code) in ATTACKS.items():
            with stage.role("attacker", site.port, what) as attacker:
                attacker.hear()
                watch, line = Watch(site, bystander), Line(fault)
                told = attacker.ask("go")
                line.figures.append(Figure("closed after", told["closed"], "s", AT_ONCE))
                line.check(told["code"] == code, f"closed with {told['code']}")
                watch.settle(line, ROOM)
                yield line


def pings(stage: Stage) -> Iterator[Line]:
    """Send floods of pings, with and without reading the pongs."""
    with stage.site() as site, stage.witness("bystander", site.port) as bystander:
        with stage.role("attacker", site.port, "flood") as attacker:
            attacker.hear()
            watch, line = Watch(site, bystander), Line("a flood of pings whose pongs are read")
            told = attacker.ask("go")
            line.figures.append(Figure("pongs", told["pongs"], ""))
            line.check(told["stayed"] and told["pongs"], "it was closed")
            watch.settle(line, ROOM)
            yield line
        with stage.role("attacker", site.port, "deaf") as attacker:
            attacker.hear()
            watch, line = Watch(site, bystander), Line("a flood of pings with unread pongs")
            begun = monotonic()
            attacker.say("go")
            found = wait_for_log(site, "reads too slowly", seconds=20.0)
            line.figures.append(Figure("closed after", monotonic() - begun, "s", 12.0))
            told = attacker.ask("read")
            line.check(found and told["code"] == 1013, f"closed with {told['code']}")
            watch.settle(line, ROOM)
            yield line


def bomb(stage: Stage) -> Iterator[Line]:
    """Send a compressed message that inflates to a thousand times its size."""
    with (
        stage.site({"max_message_size": LIMIT * MIB}) as site,
        stage.witness("bystander", site.port) as bystander,
        stage.role("attacker", site.port, "bomb") as attacker,
    ):
        attacker.hear()
        watch, line = Watch(site, bystander), Line("a bomb of 512 MiB, 1000:1, limit 16 MiB")
        told = attacker.ask("go")
        # The stock worker negotiates no extension, so a compressed frame is an error.
        code = 1002 if stage.way == STOCK else 1009
        line.figures.append(Figure("closed after", told["closed"], "s", AT_ONCE))
        line.check(told["code"] == code, f"closed with {told['code']}")
        watch.settle(line, 2.0 * LIMIT, late=None)
        yield line
