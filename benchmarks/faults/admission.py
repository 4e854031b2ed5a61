"""Faults before the upgrade: silent connections, and connections to a full server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from time import monotonic

from tests.resilience.pages import WS, refusal
from tests.resilience.ways import STOCK, Site

from .figures import Figure, Line
from .stage import LATE, Role, Stage, Watch, health

REQUEST_TIMEOUT = 10.0
"""Seconds; the default."""
SLACK = 0.5
"""Seconds that closing many connections takes."""
EACH, STALLED = 334, 50
FULL, TRIES = 20, 200

NO_TIMEOUT = "its HTTP side is gevent's pywsgi, which waits as long as it takes"


def _hang(stage: Stage, site: Site, line: Line, hows: dict[str, int], *flags: str) -> None:
    seconds = REQUEST_TIMEOUT + 4
    with ExitStack() as stack:
        watch = None
        if not flags:
            bystander = stack.enter_context(stage.witness("bystander", site.port))
            watch = Watch(site, bystander)
        knocker = stack.enter_context(stage.witness("knocker", site.port, *flags))
        begun = monotonic()
        roles: dict[str, Role] = {}
        for how, number in hows.items():
            role = stage.role("hanging", site.port, how, number, seconds)
            roles[how] = stack.enter_context(role)
        for role in roles.values():
            role.hear()
        # A client that connects at the same moment waits in the same queue, and so does the next.
        rush = max(knocker.ask("lap")["longest"] for _ in range(2))
        line.figures += [
            Figure("all there after", monotonic() - begun, "s"),
            Figure("a handshake meanwhile took", rush * 1e3, "ms"),
        ]
        dropped = 0
        for how, role in roles.items():
            told = role.hear()
            dropped += told["dropped"]
            most = REQUEST_TIMEOUT + SLACK
            line.figures.append(Figure(f"{how} dropped within", told["longest"], "s", most))
        came = knocker.ask("lap")
        for role in roles.values():
            role.say("hang up")
        if watch is not None:
            watch.settle(line, None)
    line.figures.append(Figure("and from then on", came["longest"] * 1e3, "ms", LATE * 1e3))
    line.check(not came["failed"], f"handshakes failed: {came['failed']}")
    left = sum(hows.values()) - dropped
    if stage.way == STOCK:
        line.instead = f"{left} were not dropped: {NO_TIMEOUT}"
    else:
        line.check(not left, f"{left} were not dropped")


def hanging(stage: Stage) -> Iterator[Line]:
    """Open a thousand slow, silent or idle connections at once."""
    with stage.site() as site:
        line = Line(f"{3 * EACH} HTTP connections at once: silent, dripping, idle")
        _hang(stage, site, line, dict.fromkeys(("silent", "dripping", "idle"), EACH))
        yield line
    with stage.site(identity=stage.identity) as site:
        line = Line(f"{STALLED} stalled TLS handshakes")
        _hang(stage, site, line, {"tls": STALLED}, "tls")
        yield line


def full(stage: Stage) -> Iterator[Line]:
    """Open as many connections as allowed."""
    for setting in ("max_connections", "max_connections_per_address"):
        with (
            stage.site({setting: FULL}, pages=True) as site,
            stage.role("crowd", site.port, WS, FULL) as crowd,
        ):
            crowd.hear()
            line = Line(f"{TRIES} more come than `{setting}`")
            longest, wrong = 0.0, set()
            # Under the stock worker, which has answered 101 by then, it is a close code.
            wanted = ((1013, None),) if stage.way == STOCK else ((503, "1"), (503, "5"))
            for _ in range(TRIES):
                begun = monotonic()
                answer = refusal(site, WS)
                longest = max(longest, monotonic() - begun)
                if answer not in wanted:
                    wrong.add(answer)
            begun = monotonic()
            well = health(site)
            line.figures += [
                Figure("refused within", longest * 1e3, "ms", LATE * 1e3),
                Figure("/fws/healthz took", (monotonic() - begun) * 1e3, "ms", LATE * 1e3),
            ]
            line.check(not wrong, f"answers were {wrong}")
            line.check(well.startswith(b"HTTP/1.1 200"), "/fws/healthz didn't answer")
            told = crowd.ask("report")
            line.check(told["left"] == FULL, f"of {FULL} only {told['left']} stayed")
            if stage.way == STOCK:
                line.instead = "1013 and no 503: it has answered 101 before it asks"
            yield line
