"""Measure the cost of tokens: issuing one, and checking one when a connection opens."""

from __future__ import annotations

import time
from collections.abc import Callable

from fws_gevent.node.node import Node
from fws_gevent.protocol.handshake import Headers
from fws_gevent.settings import Settings

CALLS = 5_000
ROUNDS = 5


def microseconds(call: Callable[[], object]) -> float:
    """Return the CPU time of one call, in the best of several rounds."""
    rounds = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(CALLS):
            call()
        rounds.append((time.process_time() - begun) / CALLS * 1e6)
    return min(rounds)


def main() -> None:
    """Measure and print."""
    node = Node(Settings(signing_key="k" * 32, auth="required"))
    issuing = microseconds(lambda: node.tokens.issue("ada", groups=["room:*"]))
    token = node.tokens.issue("ada", groups=["room:*"])
    headers = Headers([("host", "example.com"), ("authorization", f"Bearer {token}")])
    guard = node.guard
    assert guard is not None
    checking = microseconds(lambda: guard.claims_of(headers, ""))
    print(f"issuing: {issuing:.1f} us, {1e6 / issuing:,.0f} a second")
    print(f"checking at connect: {checking:.1f} us")


if __name__ == "__main__":
    main()
