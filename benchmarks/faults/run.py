"""Play each fault against real servers, and print its cost beside the wanted one.

The figures are meant for an idle machine: a line with a missed figure contains the time for which
the server waited for a processor.

make faults-bench FAULTS="--way command --quick"
"""

# ruff: noqa: E402 - nothing may be imported before the patch

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

from processes import BUILD

from tests.certificates import make_identity
from tests.resilience.ways import COMMAND, OURS, STOCK

from .admission import full, hanging
from .computing import computing
from .ends import stop, vanished
from .figures import Line, table
from .frames import bomb, nothing, pings, too_much
from .groups import burst, slow_members
from .stage import Stage, Stuck

WAYS = {"command": COMMAND, "stock": STOCK, "ours": OURS}

FAULTS: dict[str, Callable[[Stage], Iterator[Line]]] = {
    "nothing": nothing,
    "too-much": too_much,
    "pings": pings,
    "bomb": bomb,
    "slow-members": slow_members,
    "burst": burst,
    "vanished": vanished,
    "hanging": hanging,
    "stop": stop,
    "full": full,
    "computing": computing,
}


def play(stage: Stage, names: list[str]) -> Iterator[Line]:
    """Play the faults one after the other."""
    for name in names:
        try:
            for line in FAULTS[name](stage):
                print(f"{stage.way}: {line}", file=sys.stderr, flush=True)
                yield line
        except (Stuck, OSError, AssertionError) as error:
            words = " ".join(f"{type(error).__name__}: {error}".split())
            failed = Line(name, wrong=[words[:200]])
            print(f"{stage.way}: {failed}", file=sys.stderr, flush=True)
            yield failed


def parse() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.faults", description=__doc__)
    parser.add_argument("--way", choices=(*WAYS, "all"), default="all", help="of running (all)")
    parser.add_argument("--quick", action="store_true", help="without the default pings, 40 s")
    parser.add_argument("--only", default=",".join(FAULTS), help=f"of {', '.join(FAULTS)}")
    given = parser.parse_args()
    given.only = given.only.split(",")
    for name in given.only:
        if name not in FAULTS:
            parser.error(f"--only: no fault {name!r}; there are {', '.join(FAULTS)}")
    return given


def main() -> None:
    """Print a table for each way of serving; return 1 if a figure was missed."""
    given = parse()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    tables, well = [], True
    with tempfile.TemporaryDirectory(prefix="fws-faults-") as folder:
        identity = make_identity(Path(folder))
        for name in WAYS if given.way == "all" else (given.way,):
            begun = monotonic()
            stage = Stage(WAYS[name], Path(folder), identity, given.quick)
            lines = list(play(stage, given.only))
            well = well and not any(each.missed for each in lines)
            tables.append(f"{table(WAYS[name], lines)}\n{monotonic() - begun:.0f} s\n")
    report = "\n".join(tables)
    print(report, end="")
    BUILD.mkdir(exist_ok=True)
    (BUILD / "faults.md").write_text(report, "utf-8")
    sys.exit(not well)


if __name__ == "__main__":
    main()
