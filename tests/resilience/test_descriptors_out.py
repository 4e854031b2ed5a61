"""Without free descriptors new clients wait, and the others notice nothing."""

from __future__ import annotations

import os
import resource
from contextlib import ExitStack
from pathlib import Path

import gevent

from ..clients import PATIENCE, Client
from .conftest import ECHO, Run
from .ways import STOCK, Site

SHORT = "Too many open files"


def let_open(site: Site, more: int) -> None:
    """Let the server open at most `more` further descriptors."""
    used = {int(each.name) for each in Path(f"/proc/{site.pid}/fd").iterdir()}
    limit = max(used) + 1
    holes = limit - len(used)
    hard = resource.prlimit(site.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(site.pid, resource.RLIMIT_NOFILE, (limit + max(0, more - holes), hard))


def computed(site: Site) -> float:
    """Return the seconds of CPU that the server has used."""
    words = Path(f"/proc/{site.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def echoes(client: Client) -> bool:
    client.send("hello")
    return client.receive() == "hello"


def test_new_clients_wait_and_the_others_notice_nothing(run: Run) -> None:
    site = run(ECHO, request_timeout=900)
    friends = [site.client() for _ in range(5)]
    assert all(map(echoes, friends))
    let_open(site, 4)
    with ExitStack() as stack:
        # Silent connections take the descriptors; the last ones wait in the backlog.
        for _ in range(12):
            stack.enter_context(site.open())
        site.command.wait_for(SHORT)
        late = gevent.spawn(lambda: echoes(site.client()))
        before = computed(site)
        for _ in range(20):
            assert all(map(echoes, friends))
            gevent.sleep(0.05)
        assert computed(site) - before < 0.5  # of a second or more: it doesn't spin
        assert not late.ready()
        if site.way == STOCK:
            # gevent's server writes a traceback at each attempt, and pauses longer after each,
            # until it is one a second.
            assert site.log.count(SHORT) < 20
        else:
            assert site.log.count(SHORT) == site.log.count("can't accept connections") == 1
            assert "Traceback" not in site.log
    assert late.get(timeout=PATIENCE)
    assert all(map(echoes, friends))
    assert echoes(site.client())
