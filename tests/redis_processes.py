"""Real Redis servers for tests, each a process of its own that can be killed and frozen."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import redis

from .programs import REDIS, path_of
from .waiting import free_port

PATIENCE = 20.0
MEMORY = Path("/dev/shm")


@contextmanager
def memory_folder() -> Iterator[Path]:
    """Yield a temporary folder for the data of Redis.

    It is in memory if possible, because a busy disk may take seconds for the writes of Redis.
    """
    with tempfile.TemporaryDirectory(
        prefix="redis-", dir=MEMORY if MEMORY.is_dir() else None
    ) as made:
        yield Path(made)


class RedisProcess:
    """One redis-server on its own port; data and log are in `folder`.

    Without `persistent` it is empty after a restart; with it, each write is on disk first.
    """

    def __init__(
        self, folder: Path, options: Sequence[str] = (), *, persistent: bool = False,
        port: int | None = None, sentinel: bool = False, wait: bool = True,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.port = port or free_port()
        self._options = list(options)
        self._persistent = persistent
        self._sentinel = sentinel
        self._wait = wait
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def log(self) -> str:
        return (self.folder / "redis.log").read_text("utf-8", "replace")

    def client(self, **options: object) -> redis.Redis:
        """Return a client without retries; the caller closes it."""
        return redis.Redis(
            port=self.port, socket_timeout=5, protocol=2, **options,  # type: ignore[arg-type]
        )  # fmt: skip

    def start(self) -> None:
        """Start (again), on the same port and folder, and return when Redis answers."""
        save = ["--appendonly", "yes", "--appendfsync", "always"] if self._persistent else []
        command = [path_of(REDIS)]
        if self._sentinel:
            command += [str(self.folder / "sentinel.conf"), "--sentinel"]
        else:
            command += ["--save", "", *save]
        command += ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
                    "--logfile", str(self.folder / "redis.log"), *self._options]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        if self._wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            client = self.client()
            try:
                client.ping()
            except redis.RedisError:
                assert time.monotonic() < deadline, self.log
                time.sleep(0.02)
            else:
                return
            finally:
                client.close()

    def _signal(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def freeze(self) -> None:
        """Stop the process: the kernel accepts connections, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the process; `start` restarts it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        self.kill()
        self.start()

    stop = kill
