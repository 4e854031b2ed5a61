"""Connect again and again; argv: PORT [tls]. Report how long each connection took.

On the word "lap", report those since the previous one: connecting, TLS, and the answer to the
upgrade request together.
"""

from __future__ import annotations

import sys
from collections import Counter
from time import monotonic

from tests.clients import Client

from .talk import prepare, tell, told

PAUSE = 0.02
"""Seconds between two connections."""


def main() -> None:
    """Connect until this process is ended."""
    prepare(measures=True)
    port, tls = int(sys.argv[1]), sys.argv[2:] == ["tls"]
    Client(port, tls=tls).drop()
    tell(ready=True)
    times: list[float] = []
    failed: Counter[str] = Counter()
    while True:
        begun = monotonic()
        try:
            Client(port, tls=tls).drop()
        except (OSError, AssertionError) as error:
            failed[str(error)[:60]] += 1
        times.append(monotonic() - begun)
        if told(PAUSE) == "lap":
            tell(longest=max(times), count=len(times), failed=failed)
            times.clear()
            failed.clear()


if __name__ == "__main__":
    main()
