"""A filter that computes for a long time delays all connections, and closes none."""

from __future__ import annotations

import re
from collections.abc import Iterator

import gevent
import pytest
from gevent.queue import Empty, Queue

from ..clients import PATIENCE, Client, frame
from .conftest import ECHO, Run
from .ways import FILTERS as MODULE

COMPUTE = (
    ECHO
    + """
from time import thread_time


class Compute(WebSocketMessageFilter):
    offload = OFFLOAD

    @classmethod
    def filter(cls, web_socket_instance, data):
        if data == "compute":
            print("computing", flush=True)
            end = thread_time() + 2.5
            while thread_time() < end:
                pass
            web_socket_instance.send("computed")
"""
)

IMPATIENT = {"ping_interval": 1.0, "ping_timeout": 1.0}
"""A silent peer is given up after two seconds, which is shorter than the computation."""


class Attentive:
    """A client that answers each Ping at once, and keeps its messages."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.heard: Queue[str] = Queue()
        self.reading = gevent.spawn(self._read)

    def _read(self) -> None:
        while True:
            got = self._client.frame()
            if got.opcode == 9:
                self._client.raw(frame(10, got.payload))
            else:
                assert got.first == 0x81, got
                self.heard.put(got.payload.decode())

    def say(self, text: str) -> None:
        self._client.send(text)

    def hears(self, text: str) -> bool:
        """Return whether this is the next message."""
        assert not self.reading.dead
        return self.heard.get(timeout=PATIENCE) == text

    def heard_nothing(self) -> bool:
        try:
            self.heard.get_nowait()
        except Empty:
            return True
        return False


@pytest.fixture
def readers() -> Iterator[list[Attentive]]:
    """Return a function that makes clients whose reading ends with the test."""
    made: list[Attentive] = []
    yield made
    gevent.killall([each.reading for each in made])


def test_a_filter_that_computes_delays_the_others_closes_none_and_is_logged(
    run: Run, readers: list[Attentive]
) -> None:
    site = run(COMPUTE.replace("OFFLOAD", "False"), **IMPATIENT)
    readers += (Attentive(site.client()) for _ in range(6))
    busy, *others = readers
    for each in others:
        each.say("hello")
        assert each.hears("hello")
    busy.say("compute")
    site.command.wait_for("computing")
    for each in others:
        each.say("still there?")
    late = gevent.spawn(site.client)  # a new client is accepted meanwhile
    assert all(each.hears("still there?") for each in others)
    assert busy.hears("compute")  # the echo, which is sent at the end of the turn
    assert busy.hears("computed")
    readers.append(Attentive(late.get(timeout=PATIENCE)))
    for each in readers:
        each.say("and now?")
        assert each.hears("and now?")
    site.command.wait_for(
        rf"WARNING +filter {MODULE}\.Compute \(at \S+/{MODULE}\.py:\d+\) held up everybody "
        r"for \d+\.\d s; see `offload`"
    )
    assert site.log.count(f"filter {MODULE}.Compute") == 1
    assert not re.search(r" close \w+ ", site.log)


def test_an_offloaded_filter_delays_no_other_connection(run: Run, readers: list[Attentive]) -> None:
    site = run(COMPUTE.replace("OFFLOAD", "True"), **IMPATIENT)
    readers += (Attentive(site.client()) for _ in range(4))
    busy, *others = readers
    busy.say("compute")
    assert busy.hears("compute")
    for round_ in range(3):
        for each in others:
            each.say(f"hello {round_}")
            assert each.hears(f"hello {round_}")
    assert busy.heard_nothing()  # so it computes all the time
    assert busy.hears("computed")
    for each in readers:
        each.say("and now?")
        assert each.hears("and now?")
    assert f"filter {MODULE}.Compute" not in site.log
    assert not re.search(r" close \w+ ", site.log)
