"""A server for all tests of a module, in which they leave no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..clients import Client, Command
from .conftest import ECHO
from .ways import Site, start_site


@contextmanager
def standing(way: str, home: Path, filters: str = ECHO, **more: Any) -> Iterator[Site]:
    """Start a server as `start_site` does, and end it and its clients."""
    commands: list[Command] = []
    clients: list[Client] = []

    def start(*arguments: str, **options: Any) -> Command:
        commands.append(Command(*arguments, **options))
        return commands[-1]

    def connect(port: Any, path: str = "/", **options: Any) -> Client:
        clients.append(Client(port, path, **options))
        return clients[-1]

    try:
        yield start_site(way, start, connect, home, filters=filters, **more)
    finally:
        for client in clients:
            client.drop()
        for command in commands:
            command.end()
