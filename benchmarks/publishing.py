"""Measure how many messages a node publishes per second, and the time of one; argv: REDIS_URL."""

# ruff: noqa: E402 - nothing may be imported before the patch

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import quantiles

import gevent

from fws_gevent.node.node import Node
from fws_gevent.settings import Settings
from fws_gevent.startup.node import make_node
from fws_gevent.storage.redis import RedisStorageObject

PAYLOAD = b"x" * 128
PUBLISHERS, EACH = 200, 200
RATE, SECONDS = 1000, 5


@contextmanager
def running(url: str) -> Iterator[Node]:
    """Run a node in this process, without a server."""
    node = make_node(Settings(redis_url=url), RedisStorageObject.from_url(url), filters=())
    node.start()
    try:
        yield node
    finally:
        node.stop()


def measure_publishing(node: Node) -> None:
    """Print how many messages per second Redis accepts from many greenlets, and the time of one."""

    def publish(count: int) -> None:
        for _ in range(count):
            node.broadcast(PAYLOAD, "bench")

    begun = time.monotonic()
    gevent.joinall([gevent.spawn(publish, EACH) for _ in range(PUBLISHERS)], raise_error=True)
    seconds = time.monotonic() - begun
    print(f"publishing from {PUBLISHERS} greenlets: {PUBLISHERS * EACH / seconds:,.0f} a second")
    times: list[float] = []

    def timed() -> None:
        start = time.perf_counter()
        node.broadcast(PAYLOAD, "bench")
        times.append(time.perf_counter() - start)

    begun, running = time.monotonic(), []
    for number in range(RATE * SECONDS):
        gevent.sleep(max(0.0, begun + number / RATE - time.monotonic()))
        running.append(gevent.spawn(timed))
    gevent.joinall(running, raise_error=True)
    cuts = quantiles(times, n=100)
    print(f"at {RATE} a second: median {cuts[49] * 1e3:.2f} ms, p99 {cuts[98] * 1e3:.2f} ms")


def main() -> None:
    """Measure on the given Redis."""
    with running(sys.argv[1]) as node:
        measure_publishing(node)


if __name__ == "__main__":
    main()
