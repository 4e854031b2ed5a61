"""Print the raw data of connections."""

from __future__ import annotations

from typing import Any

from .base import WebSocketDataFilter


class StdoutRawDataFilter(WebSocketDataFilter):
    """Prints the bytes of each read, before they are decoded."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Print the bytes."""
        web_socket_instance.print(f"--RAWDATA--\n{data!r}")
