"""A program that gevent has not patched is told so, or patched."""

from __future__ import annotations

from ..conftest import Start
from ..redis_processes import RedisProcess

SERVER = """\
from argparse import Namespace
from fws_gevent import RedisStorageObject
from fws_gevent.server import build_server
build_server(Namespace(port=0), {storage})
"""

LATE = """\
import ssl, socket, time, threading, redis
from gevent.monkey import is_module_patched
from fws_gevent.startup.patching import is_patched, patch_late
assert not is_patched()
patch_late()
patch_late()
print(is_patched(), is_module_patched("ssl"), is_module_patched("threading"))
"""


def test_a_server_in_memory_warns_that_a_filter_may_stop_it(start: Start) -> None:
    command = start("-c", SERVER.format(storage=None))
    command.wait_for("WARNING gevent has not patched socket and time: .* monkey.patch_all")
    assert command.wait() == 0


def test_a_server_with_redis_is_refused_for_it_would_stop_at_once(
    start: Start, redis_server: RedisProcess
) -> None:
    command = start("-c", SERVER.format(storage=f"RedisStorageObject(port={redis_server.port})"))
    assert command.wait() == 1
    assert command.output.endswith(
        "ConfigurationError: Redis needs the patches of gevent: begin the program with: "
        "from gevent import monkey; monkey.patch_all()\n"
    )


def test_patches_that_come_late_are_complete_and_silent(start: Start) -> None:
    command = start("-c", LATE)
    assert command.wait() == 0
    assert command.output == "True True True\n"
