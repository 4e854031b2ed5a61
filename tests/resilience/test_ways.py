"""The three ways of running, as the other tests need them."""

from __future__ import annotations

from ..certificates import Identity
from .conftest import Run


def test_a_server_runs_in_each_way_and_echoes(run: Run) -> None:
    site = run()
    client = site.client()
    client.send("grüße")
    assert client.receive() == "grüße"
    assert site.resident > 1 << 20
    assert site.descriptors > 3


def test_a_server_speaks_tls_in_each_way(run: Run, identity: Identity) -> None:
    client = run(identity=identity).client()
    client.send(b"\x00\xff")
    assert client.receive() == b"\x00\xff"


def test_settings_reach_a_server_in_each_way(run: Run) -> None:
    client = run(max_message_size=10).client()
    client.send("x" * 11)
    assert client.frame().close[0] == 1009
