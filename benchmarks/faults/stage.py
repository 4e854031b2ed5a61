"""The environment of a fault: servers in one way of serving, and client processes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

import gevent
from processes import ROOT, end, pinned, processors

from tests.certificates import Identity
from tests.raw_http import request
from tests.resilience.hostile import peak
from tests.resilience.pages import with_pages
from tests.resilience.standing import standing
from tests.resilience.ways import COMMAND, Site

from .figures import Figure, Line

PLAYED = Path(__file__).with_name("played.py").read_text()
"""The source of the filters of all servers, except the computing ones."""
MIB = 1 << 20
FLAGS = ("--worker-connections", "4000")
"""gunicorn's limit, 1000 by default, for WebSockets and hanging connections together."""
LATE = 0.1
"""Seconds by which other connections may be delayed."""
PATIENCE = 60.0
"""Seconds within which a client process must report."""


class Stuck(Exception):
    """Raised if a client process didn't report."""


class Role:
    """A client process: a module of this package."""

    def __init__(self, processor: int | None, module: str, *arguments: object) -> None:
        command = [sys.executable, "-m", f"benchmarks.faults.{module}", *map(str, arguments)]
        self.name = " ".join((module, *map(str, arguments)))
        with pinned(processor):
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )

    def hear(self, seconds: float = PATIENCE) -> dict[str, Any]:
        """Return the next report. Raises Stuck."""
        assert self.process.stdout is not None
        with gevent.Timeout(seconds, Stuck(f"{self.name} says nothing for {seconds:g} s")):
            line = self.process.stdout.readline()
        if not line:
            raise Stuck(f"{self.name} ended without a word")
        said: dict[str, Any] = json.loads(line)
        return said

    def say(self, word: object) -> None:
        """Send a word to the process."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()

    def ask(self, word: object) -> dict[str, Any]:
        """Send a word to the process, and return its report."""
        self.say(word)
        return self.hear()

    def __enter__(self) -> Role:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:  # fmt: skip
        self.process.kill()  # also a stopped one
        end(self.process)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


class Watch:
    """The effect of one fault on a server's memory and other clients, from its beginning."""

    def __init__(self, site: Site, bystander: Role) -> None:
        self._site = site
        self._bystander = bystander
        bystander.ask("lap")
        Path(f"/proc/{site.pid}/clear_refs").write_text("5")  # the peak is the present size now
        self._before = site.resident
        self._waited = waited(site.pid)

    def settle(self, line: Line, memory: float | None, late: float | None = LATE) -> None:
        """Add the delay of other clients and the memory to a line, with their bounds."""
        told = self._bystander.ask("lap")
        grown = max(0, peak(self._site) - self._before) / MIB
        line.figures += [
            Figure("others late by", told["longest"] * 1e3, "ms", late and late * 1e3),
            Figure("memory grew by", grown, "MiB", memory),
        ]
        line.check(not told["lost"], f"another client was lost: {told['lost']}")
        line.waited += waited(self._site.pid) - self._waited


def waited(pid: int) -> float:
    """Return the seconds that a process was ready to run without a processor (Linux)."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


class Stage:
    """One way of serving."""

    def __init__(self, way: str, home: Path, identity: Identity, quick: bool) -> None:
        self.way = way
        self.identity = identity
        self.quick = quick
        self._home = home
        self._for_server, self._for_clients = processors()

    @contextmanager
    def site(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        filters: str = PLAYED,
        pages: bool = False,
        identity: Identity | None = None,
    ) -> Iterator[Site]:
        """Yield a server."""
        home = Path(tempfile.mkdtemp(dir=self._home))
        more = (*(() if self.way == COMMAND else FLAGS),
                *(with_pages(self.way, home) if pages else ()))  # fmt: skip
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, home, ignore_errors=True)
            with pinned(self._for_server):
                begun = standing(
                    self.way, home, filters, more=more, identity=identity, **(settings or {})
                )
                site = stack.enter_context(begun)
            yield site

    def role(self, module: str, *arguments: object) -> Role:
        """Start a client process; it is ready after its first report."""
        return Role(self._for_clients, module, *arguments)

    @contextmanager
    def witness(self, module: str, *arguments: object) -> Iterator[Role]:
        """Yield a harmless client that measures delays."""
        with Role(self._for_clients, module, *arguments) as role:
            role.hear()
            yield role


def wait_for_log(site: Site, text: str, count: int = 1, seconds: float = PATIENCE) -> bool:
    """Wait until a text is in a server's log a number of times; return whether it is."""
    end = monotonic() + seconds
    while site.log.count(text) < count:
        if monotonic() > end:
            return False
        gevent.sleep(0.02)
    return True


def health(site: Site) -> bytes:
    """Return the complete answer to a request for /fws/healthz."""
    with site.open() as client:
        client.sendall(request("GET /fws/healthz HTTP/1.1", "Connection: close"))
        received = b""
        while data := client.recv(65536):
            received += data
    return received
