"""The channel between a client process and its parent: lines of JSON, and words.

This is the client's half, without gevent: these processes use epoll and blocking sockets.
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
    """Raise the descriptor limit, and turn off garbage collection.

    A process that `measures` gets priority when all share a processor.
    """
    if not measures:
        os.nice(10)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.disable()


def tell(**facts: Any) -> None:
    """Report to the parent."""
    print(json.dumps(facts), flush=True)


def told(seconds: float | None = None) -> str | None:
    """Return the parent's next word, or None if none comes in time. Ends with the parent.

    Read one word at a time: nothing may stay in the reader's buffer.
    """
    if not select.select([0], [], [], seconds)[0]:
        return None
    word = sys.stdin.readline()
    if not word:
        raise SystemExit
    return word.strip()
