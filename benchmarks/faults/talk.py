"""How a client process of a fault talks with the program that started it: lines of JSON and words.

Here is the client's half. It has no gevent: these processes use epoll and blocking sockets.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import sys
from typing import Any


def prepare(*, measures: bool = False) -> None:
    """Have all descriptors that there may be, and no pauses for garbage.

    Who `measures` others goes first where all of them share a processor.
    """
    if not measures:
        os.nice(10)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.disable()


def tell(**facts: Any) -> None:
    """Say something to the program."""
    print(json.dumps(facts), flush=True)


def told(seconds: float | None = None) -> str | None:
    """The next word from the program; None if none comes in time. Ends with the program.

    Only for words that are waited for one at a time: nothing may stay in the reader's buffer.
    """
    if not select.select([0], [], [], seconds)[0]:
        return None
    word = sys.stdin.readline()
    if not word:
        raise SystemExit
    return word.strip()
