"""Calls of the Lua scripts, with the keys and arguments that they document."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import redis

from fws_gevent.redis_io.scripts import PRESENCE, PUBLISH, RESUME, REVOKE, Script

from ..clients import PATIENCE

STREAM, SENT = b"fws:{g}:stream", b"fws:{g}:sent:m1"
MEMBERS, HOLDERS = b"fws:{g}:members:n1", b"fws:{g}:nodes"
REVOKED, UNTIL, EVERYBODY = b"fws:{*}:revoked", b"fws:{*}:revoked_until", b"fws:{*}:stream"
LIFE = 60_000

Fields = dict[bytes, bytes]


class Resumed(NamedTuple):
    """An answer of resume.lua."""

    state: bytes
    position: list[bytes]
    entries: list[tuple[bytes, Fields]]
    more: int

    @property
    def data(self) -> list[bytes]:
        return [fields.get(b"data", b"") for _, fields in self.entries]


class Calls:
    """The scripts, each argument by its name."""

    def __init__(self, client: redis.Redis) -> None:
        self.client: Any = client
        self._published = 0

    def run(self, script: Script, keys: list[bytes], *args: Any) -> Any:
        return self.client.eval(script.text, len(keys), *keys, *args)

    def publish(
        self, data: bytes = b"soup", *, kind: str = "text", exclude: str = "", nonce: str = "",
        epoch: str = "e1", length: int = 1000, life: int = LIFE, sent_life: int = 4000,
        latest: int = 0, sent: bytes = b"", stream: bytes = STREAM,
    ) -> bytes:  # fmt: skip
        self._published += 1
        nonce = nonce or f"n{self._published}"
        answer: bytes = self.run(
            PUBLISH, [stream, sent or SENT + nonce.encode()], kind, data, exclude, nonce, epoch,
            length, life, sent_life, latest, "PUBLISH",
        )  # fmt: skip
        return answer

    def resume(
        self, position: list[bytes] | None = None, *, count: int = 256, size: int = 1 << 20,
        epoch: str = "e1", nonce: str = "begun", alone: bool = True,
        back: int = 0,
    ) -> Resumed:  # fmt: skip
        answer = self.run(
            RESUME,
            [STREAM],
            *(position or [b"", b"", b""]),
            count,
            size,
            epoch,
            nonce,
            LIFE,
            "PUBLISH",
            int(alone),
            back,
        )
        entries = [(each[0], dict(zip(*[iter(each[1])] * 2, strict=True))) for each in answer[2]]
        return Resumed(answer[0], answer[1], entries, answer[3])

    def presence(self, *changes: str, nonce: str = "p", life: int = LIFE) -> int:
        flat = [part for change in changes for part in (change[0], *change[1:].split("/"))]
        left: int = self.run(
            PRESENCE, [MEMBERS, HOLDERS, STREAM], "n1", life, 1000, LIFE, "e1", nonce,
            "PUBLISH", *flat,
        )  # fmt: skip
        return left

    def revoke(self, name: str, at: float, until: float, *, now: float, most: int = 10) -> int:
        kept: int = self.run(
            REVOKE, [REVOKED, UNTIL, EVERYBODY], name, at, until, now, most, 1000, LIFE, "e1", "r",
            "PUBLISH",
        )  # fmt: skip
        return kept

    def stream(self, key: bytes = STREAM) -> list[tuple[bytes, Fields]]:
        found: list[tuple[bytes, Fields]] = self.client.xrange(key)
        return found

    def told(self) -> list[tuple[bytes, dict[str, str]]]:
        """The joins and leaves in the stream."""
        return [(fields[b"kind"], json.loads(fields[b"data"])) for _, fields in self.stream()
                if fields[b"kind"] in (b"join", b"leave")]  # fmt: skip

    def now(self) -> int:
        """Milliseconds on the clock of Redis."""
        seconds, micros = self.client.time()
        return int(seconds * 1000 + micros // 1000)


class Listener:
    """Hears what is sent over a channel."""

    def __init__(self, client: Any, channel: bytes) -> None:
        self._pubsub = client.pubsub()
        self._pubsub.subscribe(channel)
        assert self._next()["type"] == "subscribe"

    def _next(self) -> Any:
        found = self._pubsub.get_message(timeout=PATIENCE)
        assert found, "nothing was sent"
        return found

    def hear(self) -> bytes:
        heard: bytes = self._next()["data"]
        return heard

    def close(self) -> None:
        self._pubsub.close()
