"""Prints the bytes that come from the wire."""

from __future__ import annotations

from typing import Any

from .base import WebSocketDataFilter


class StdoutRawDataFilter(WebSocketDataFilter):
    """Prints raw data, before it is decoded."""

    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        """Print the bytes."""
        web_socket_instance.print(f"--RAWDATA--\n{data!r}")
