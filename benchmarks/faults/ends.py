"""Faults at the end of connections: vanished peers, and a server that stops."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import gevent

from tests.clients import Client, frame
from tests.resilience.hostile import black_hole
from tests.resilience.ways import Site

from .figures import Figure, Line
from .stage import Stage, Watch

SHORT, DEFAULT = 1.0, 20.0
"""Seconds of ping_interval and of ping_timeout."""
MORE = 2.0
"""Seconds that closing a silent peer may take in addition to these."""
CLIENTS = 1000
GRACE = 10.0


def vanished(stage: Stage) -> Iterator[Line]:
    """Stop and cut off peers, which pings must find."""
    for seconds in (SHORT,) if stage.quick else (SHORT, DEFAULT):
        yield _vanish(stage, seconds)


def _vanish(stage: Stage, seconds: float) -> Line:
    settings = {} if seconds == DEFAULT else {"ping_interval": seconds, "ping_timeout": seconds}
    with (
        stage.site(settings) as site,
        stage.witness("bystander", site.port) as bystander,
        stage.role("peer", site.port) as peer,
    ):
        ports = [peer.hear()["port"]]
        watch = Watch(site, bystander)
        line = Line(f"a peer stopped, two cut off; pings {seconds:g} + {seconds:g} s")
        begun = monotonic()
        peer.process.send_signal(signal.SIGSTOP)
        for last_words in (b"", frame(2, bytes(1000))[:500]):
            client = site.client("/member")
            client.raw(last_words)
            black_hole(client.socket)
            ports.append(client.port)
        most = 2 * seconds + MORE
        gone = _gone(site, ports, begun + most + 5)
        times = [gone[each] - begun for each in ports if each in gone]
        line.figures.append(Figure("given up after", max(times, default=0.0), "s", most))
        line.check(len(times) == len(ports), f"{len(ports) - len(times)} were not given up")
        asker = site.client()
        asker.send("who is in a group?")
        members = asker.receive()
        line.check(members == "0", f"{members!r} are in a group still")
        watch.settle(line, None)
        return line


def _gone(site: Site, ports: list[int], deadline: float) -> dict[int, float]:
    """Wait for the ends of connections, and return their times by the clients' ports."""
    book = Path(f"/proc/{site.pid}/cwd/gone")
    found: dict[int, float] = {}
    while monotonic() < deadline and not all(each in found for each in ports):
        gevent.sleep(0.05)
        lines = book.read_text().splitlines() if book.exists() else []
        found = {int(port): float(when) for port, _, when in map(str.split, lines)}
    return found


def stop(stage: Stage) -> Iterator[Line]:
    """Send SIGTERM with many clients, one of which doesn't answer."""
    with (
        stage.site({"grace": GRACE}) as site,
        stage.role("crowd", site.port, "/member", CLIENTS - 1) as crowd,
    ):
        crowd.hear()
        mute = site.client("/member")
        publisher = site.client("/publish")
        publisher.send(bytes(1024))
        publisher.raw(frame(9))
        assert publisher.frame().opcode == 10
        line, begun = Line(f"SIGTERM with {CLIENTS} clients, one of them mute"), monotonic()
        site.command.signal(signal.SIGTERM)
        told = crowd.hear()
        status = site.command.process.wait(60)
        line.figures += [
            Figure("exit after", monotonic() - begun, "s", GRACE),
            Figure("the last answering client was closed after", told["last"] - begun, "s"),
        ]
        line.check(status == 0, f"exit status {status}")
        line.check(told["codes"] == {"1001": CLIENTS - 1}, f"closed with {told['codes']}")
        line.check(told["messages"] == {"1": CLIENTS - 1}, f"messages got: {told['messages']}")
        line.check(_last_code(mute) == 1001, "the mute one had no 1001")
        yield line


def _last_code(client: Client) -> int:
    try:
        while (got := client.frame()).opcode != 8:
            pass
    except OSError:
        return 0
    return got.close[0]
