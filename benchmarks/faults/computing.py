"""A filter that computes for a long time."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

from tests.resilience.conftest import ECHO
from tests.resilience.ways import FILTERS

from .figures import Figure, Line
from .stage import LATE, Stage, Watch, wait_for_log

SECONDS = 5.0
MORE = 0.25
"""Seconds by which other connections may be delayed in addition."""

COMPUTE = (
    ECHO
    + f"""
from time import thread_time


class Compute(WebSocketMessageFilter):
    offload = OFFLOAD

    @classmethod
    def filter(cls, web_socket_instance, data):
        if data == "compute":
            end = thread_time() + {SECONDS}
            while thread_time() < end:
                pass
            web_socket_instance.send("computed")
"""
)


def computing(stage: Stage) -> Iterator[Line]:
    """Use some seconds of CPU: in the loop, and in a thread."""
    for offload in (False, True):
        source = COMPUTE.replace("OFFLOAD", str(offload))
        with (
            stage.site({"ping_interval": 1, "ping_timeout": 1}, filters=source) as site,
            stage.witness("bystander", site.port) as bystander,
        ):
            client = site.client()
            watch = Watch(site, bystander)
            where = "with offload" if offload else "in the loop"
            line, begun = Line(f"a filter computes for {SECONDS:g} s {where}"), monotonic()
            client.send("compute")
            while client.frame().payload != b"computed":
                pass
            seconds = monotonic() - begun
            line.figures.append(Figure("it took", seconds, "s"))
            line.check(" close " not in site.log, "somebody was closed")
            if not offload:
                told = wait_for_log(site, f"filter {FILTERS}.Compute (at ", seconds=2.0)
                line.check(told, "no warning names the filter")
            watch.settle(line, None, late=LATE if offload else seconds + MORE)
            yield line
