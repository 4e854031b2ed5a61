"""The CPU time and memory of a process and its children, from /proc."""

from __future__ import annotations

import os
from pathlib import Path


def process_tree(pid: int) -> list[int]:
    """Return the process and all its living descendants."""
    tree = [pid]
    for member in tree:  # which grows meanwhile
        for children in Path(f"/proc/{member}/task").glob("*/children"):
            tree += map(int, children.read_text().split())
    return tree


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of the process and its children, including ended ones."""
    ticks = 0
    for member in process_tree(pid):
        # The name in parentheses may hold anything; utime, stime, cutime and cstime are the
        # 12th to 15th fields after it.
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_kib(pid: int) -> int:
    """Return the resident memory of the process and its children."""
    kib = 0
    for member in process_tree(pid):
        for line in Path(f"/proc/{member}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                kib += int(line.split()[1])
    return kib
