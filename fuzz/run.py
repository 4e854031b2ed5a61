"""Fuzz one target with atheris: python -m fuzz.run TARGET [flags of libFuzzer]

New inputs are kept in build/fuzz/; the file name of an input that breaks the target is printed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fws_gevent"]):
    from .targets import TARGETS

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Run until a limit in libFuzzer's flags; libFuzzer ends the process with its own status."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        raise SystemExit(f"usage: python -m fuzz.run {'|'.join(TARGETS)} [-max_total_time=20 …]")
    name, flags = sys.argv[1], sys.argv[2:]
    found = ROOT / "build" / "fuzz" / name
    found.mkdir(parents=True, exist_ok=True)
    corpus = ROOT / "fuzz" / "corpus" / name
    atheris.Setup(
        [sys.argv[0], f"-artifact_prefix={found}/broken-", *flags, str(found), str(corpus)],
        TARGETS[name],
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
