"""A client that does no harm: it asks again and again, and tells how late the answers were.

argv: PORT. The word "lap" has it tell of the time since the last one.
"""

from __future__ import annotations

import sys
from time import monotonic

from tests.clients import Client, frame

from .talk import prepare, tell, told

PAUSE = 0.002
"""Seconds between an answer and the next question."""
QUESTION = "are you there?"


def ask(client: Client) -> float:
    """Say something and hear it again; returns the seconds that this took."""
    begun = monotonic()
    client.send(QUESTION)
    while (got := client.frame()).opcode == 9:
        client.raw(frame(10, got.payload))
    if got.payload != QUESTION.encode():
        raise ConnectionError(f"instead of an echo came {got}")
    return monotonic() - begun


def main() -> None:
    """Ask until the program ends this one."""
    prepare(measures=True)
    client = Client(int(sys.argv[1]))
    client.socket.settimeout(60)
    ask(client)
    tell(ready=True)
    longest, count = 0.0, 0
    while True:
        try:
            longest, count = max(longest, ask(client)), count + 1
        except OSError as error:
            tell(longest=longest, count=count, lost=str(error))
            return
        if told(PAUSE) == "lap":
            tell(longest=longest, count=count, lost="")
            longest, count = 0.0, 0


if __name__ == "__main__":
    main()
