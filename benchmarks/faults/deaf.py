"""Open members of a group that read only when told to, then to the end; argv: PORT NUMBER.

They report the codes of the Closes that they read.
"""

from __future__ import annotations

import contextlib
import sys

from wire import open_sockets

from .fan import FRAME
from .talk import prepare, tell, told


def main() -> None:
    """Run one member."""
    prepare()
    connections = open_sockets(int(sys.argv[1]), "/member", int(sys.argv[2]))
    tell(ready=True)
    told()
    codes = []
    for each in connections:
        received = bytearray()
        with contextlib.suppress(OSError):
            while data := each.recv(1 << 20):
                received += data
        rest = received[len(received) // FRAME * FRAME :]
        codes.append(int.from_bytes(rest[2:4], "big") if rest[:1] == b"\x88" else 0)
    tell(codes=codes)


if __name__ == "__main__":
    main()
