"""A pipe whose reader reads only when told to."""

from __future__ import annotations

import os

from .waiting import until


class Pipe:
    """`stream` is the end that is written to."""

    def __init__(self) -> None:
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        self.stream = os.fdopen(writer, "w", encoding="utf-8")

    def read_until(self, text: str) -> list[str]:
        """Read until a whole line with `text` came; return the lines that were read."""
        so_far = b""

        def came() -> bool:
            nonlocal so_far
            try:
                while piece := os.read(self._reader, 1 << 20):
                    so_far += piece
            except BlockingIOError:
                pass
            return text.encode() in so_far and so_far.endswith(b"\n")

        until(came)
        return so_far.decode().splitlines()

    def close(self) -> None:
        """Close both ends."""
        self.stream.close()
        os.close(self._reader)
