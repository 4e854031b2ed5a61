"""Answer Pings in a process that can be stopped; argv: PORT. Report the local port."""

from __future__ import annotations

import sys

from tests.clients import Client, frame

from .talk import prepare, tell


def main() -> None:
    """Answer until the server closes the connection."""
    prepare()
    client = Client(int(sys.argv[1]), "/member")
    client.socket.settimeout(None)
    tell(port=client.port)
    try:
        while True:
            got = client.frame()
            if got.opcode == 9:
                client.raw(frame(10, got.payload))
    except OSError:
        tell(ended=True)


if __name__ == "__main__":
    main()
