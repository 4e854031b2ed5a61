"""Send a message again and again, and report how late the answers were.

argv: PORT. On the word "lap", report the time since the previous one.
"""

from __future__ import annotations

import sys
from time import monotonic

from tests.clients import Client, frame

from .talk import prepare, tell, told

PAUSE = 0.002
"""Seconds between an answer and the next message."""
QUESTION = "are you there?"


def ask(client: Client) -> float:
    """Send a message, wait for its echo, and return the seconds between."""
    begun = monotonic()
    client.send(QUESTION)
    while (got := client.frame()).opcode == 9:
        client.raw(frame(10, got.payload))
    if got.payload != QUESTION.encode():
        raise ConnectionError(f"instead of an echo came {got}")
    return monotonic() - begun


def main() -> None:
    """Send messages until this process is ended."""
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
