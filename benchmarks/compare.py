"""Measure our server against gevent-websocket and picows, in turns, and write a table."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from processes import BUILD, HERE, ServerFailed, free_port, pinned, processors, serving

OURS, BASELINE = "fws_gevent", "picows"
PATIENCE = 120.0
"""Seconds that one measurement may take in addition to its load."""


@dataclass(frozen=True)
class Workload:
    """A row of the table: the load client's mode, and the unit of its result."""

    title: str
    mode: str
    connections: int
    size: int = 1
    window: int = 1

    @property
    def unit(self) -> str:
        """A figure that is compared: less is better."""
        return "KiB per connection" if self.mode == "idle" else "µs of CPU per message"

    @property
    def key(self) -> str:
        """Its name in the load client's result."""
        return "kib_per_connection" if self.mode == "idle" else "cpu_us_per_message"


WORKLOADS = {
    "echo-64": Workload("echo 64 B, 100 connections x 8 in flight", "echo", 100, 64, 8),
    "echo-turn": Workload("echo 64 B, 200 connections x 1", "echo", 200, 64, 1),
    "echo-1k": Workload("echo 1 KiB, 100 connections x 8", "echo", 100, 1024, 8),
    "echo-64k": Workload("echo 64 KiB, 20 connections x 2", "echo", 20, 65536, 2),
    "fanout": Workload("fan-out of 128 B to 1000 connections", "fanout", 1000, 128, 1),
    "idle": Workload("2000 idle connections", "idle", 2000),
}

Results = dict[str, list[float]]


class NoFigure(Exception):
    """Raised if a measurement failed; the text gives the reason."""


def command_of(name: str, peers_python: str, port: int) -> list[str]:
    """Return the command that starts a server on `port`."""
    if name == OURS:
        options = ["--port", str(port), "--log_level", "warning"]
        return [sys.executable, str(HERE / "server.py"), *options]
    script = {"gevent-websocket": "gevent_websocket_peer.py", BASELINE: "picows_peer.py"}[name]
    return [peers_python, str(HERE / "peers" / script), str(port)]


def measure(name: str, workload: Workload, seconds: float, peers_python: str) -> float:
    """Return one figure, measured on a new server. Raises NoFigure."""
    for_server, for_client = processors()
    port = free_port()
    try:
        with serving(command_of(name, peers_python, port), port, for_server) as server:
            arguments = {
                "pid": server.pid,
                "connections": workload.connections,
                "bytes": workload.size,
                "window": workload.window,
                "seconds": seconds,
            }
            flags = [f"--{flag}={value}" for flag, value in arguments.items()]
            command = [sys.executable, str(HERE / "load.py"), workload.mode, str(port), *flags]
            with pinned(for_client):
                load = subprocess.run(
                    command, capture_output=True, text=True, timeout=seconds + PATIENCE
                )
    except (ServerFailed, subprocess.TimeoutExpired) as error:
        raise NoFigure(str(error)) from None
    if load.returncode:
        raise NoFigure(load.stderr.strip().splitlines()[-1])
    return float(json.loads(load.stdout)[workload.key])


def compare(workload: Workload, names: Sequence[str], options: argparse.Namespace) -> Results:
    """Return the figures of all servers for one workload; they take turns in each round."""
    results: Results = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            try:
                figure = measure(name, workload, options.seconds, options.peers_python)
            except NoFigure as why:
                raise NoFigure(f"{workload.title}, {name}: {why}") from None
            results[name].append(figure)
            print(f"{workload.title}, {name}: {figure:.2f}", file=sys.stderr)
    return results


def row(workload: Workload, results: Results) -> str:
    """Return a line of the table: medians, and the medians of the ratios within each round."""
    cells = [workload.title, workload.unit]
    for name, figures in results.items():
        text = f"{statistics.median(figures):.2f}"
        if name != BASELINE and BASELINE in results:
            pairs = zip(figures, results[BASELINE], strict=True)
            text += f" ({statistics.median(one / other for one, other in pairs):.2f})"
        cells.append(text)
    return f"| {' | '.join(cells)} |"


def table(names: Sequence[str], rows: Sequence[str], options: argparse.Namespace) -> str:
    """Return the report in Markdown."""
    columns = ["workload", "unit", *names]
    pins = "one processor for the server and one for the client"
    where = pins if processors()[0] is not None else "not pinned to processors"
    return "\n".join(
        (
            f"| {' | '.join(columns)} |",
            f"|---|---|{'---:|' * len(names)}",
            *rows,
            "",
            f"Less is better. In parentheses: the ratio to {BASELINE}, the median of the ratios "
            "within each round, which a machine's ups and downs distort less. Medians of "
            f"{options.rounds} round(s) of {options.seconds:g} s, the servers in turns, {where}. "
            f"{platform.python_implementation()} {platform.python_version()}, "
            f"{platform.system()} {platform.machine()}.",
            "",
        )
    )


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="(3)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement (3)")
    parser.add_argument(
        "--only", default=",".join(WORKLOADS), help=f"workloads, of {', '.join(WORKLOADS)}"
    )
    parser.add_argument(
        "--peers-python",
        default=sys.executable,
        help="interpreter that has what benchmarks/requirements.txt lists (this one)",
    )
    options = parser.parse_args(arguments)
    options.only = [name.strip() for name in options.only.split(",")]
    for name in options.only:
        if name not in WORKLOADS:
            parser.error(f"--only: no workload {name!r}; there are {', '.join(WORKLOADS)}")
    if options.rounds < 1 or not 0 < options.seconds <= 60:
        parser.error("--rounds must be 1 or more, --seconds more than 0 and at most 60")
    return options


def main() -> None:
    """Measure, print the table and write it to build/bench.md."""
    options = parse()
    names = (OURS, "gevent-websocket", BASELINE)
    rows = []
    failed = False
    for name in options.only:
        workload = WORKLOADS[name]
        try:
            rows.append(row(workload, compare(workload, names, options)))
        except NoFigure as why:
            failed = True
            print(f"compare: {why}", file=sys.stderr)
            if "ModuleNotFoundError" in str(why):
                print("compare: pip install -r benchmarks/requirements.txt", file=sys.stderr)
                raise SystemExit(1) from None
    report = table(names, rows, options)
    print(report, end="")
    BUILD.mkdir(exist_ok=True)
    (BUILD / "bench.md").write_text(report, "utf-8")
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
