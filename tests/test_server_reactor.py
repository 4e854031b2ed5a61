"""Programs of filtered_websocket run as servers with only their imports changed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from .conftest import Connect, Start
from .redis_processes import RedisProcess

CHAT = """\
from fws_gevent.server import *
from fws_gevent.filters import broadcast_messages


parser = default_parser()
build_reactor(parser.parse_args(sys.argv[1:]))
reactor.run()
"""

SHARED = """\
from fws_gevent import RedisStorageObject
from fws_gevent.server import *
from fws_gevent.filters import broadcast_messages_by_token

parser = default_parser()
options = parser.parse_args(sys.argv[1:])
extra = {
    "storage_object": RedisStorageObject(
        host=options.redis_host,
        port=options.redis_port,
        key=options.redis_key
    )
}
build_reactor(options, **extra)
reactor.run()
"""

WAITING = """\
import time
from fws_gevent.filters.base import WebSocketMessageFilter

class Waiting(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        while data == "wait" and len(web_socket_instance.users) < 3:
            time.sleep(0.01)
"""

STOPPING = """\
import os, signal
import gevent
from gevent.monkey import get_original
from fws_gevent.server import *
from fws_gevent.filters.base import WebSocketMessageFilter

class Stop(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        if data == "filter":
            reactor.stop()
        elif data == "greenlet":
            gevent.spawn(reactor.stop)
        elif data == "signal handler":
            os.kill(os.getpid(), signal.SIGUSR2)
        elif data == "thread":
            get_original("_thread", "start_new_thread")(reactor.stop, ())
        web_socket_instance.send("told")

signal.signal(signal.SIGUSR2, lambda *_: reactor.stop())
build_reactor(default_parser().parse_args(sys.argv[1:]))
reactor.run()
print("run has returned")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "chat_server.py").write_text(CHAT)
    (tmp_path / "shared_server.py").write_text(SHARED)
    (tmp_path / "stopping_server.py").write_text(STOPPING)
    (tmp_path / "waiting.py").write_text(WAITING)
    return tmp_path


def test_the_chat_server_broadcasts_and_ends_on_sigterm(
    start: Start, connect: Connect, folder: Path
) -> None:
    command = start("chat_server.py", "-p", "0", cwd=folder)
    sender, *others = (connect(command.port()) for _ in range(3))
    sender.send("hello")
    assert [each.receive() for each in others] == ["hello", "hello"]
    command.signal()
    assert sender.frame().close[0] == 1001
    assert command.wait() == 0
    assert "gevent has not patched" not in command.output


@pytest.mark.parametrize("place", ["filter", "greenlet", "signal handler", "thread"])
def test_stop_ends_the_server_from_any_place(
    place: str, start: Start, connect: Connect, folder: Path
) -> None:
    command = start("stopping_server.py", "-p", "0", cwd=folder)
    client = connect(command.port())
    client.send(place)
    assert client.receive() == "told"  # nothing waits for the end
    assert client.frame().close[0] == 1001
    client.drop()
    assert command.wait() == 0
    assert "run has returned" in command.output  # the last log line may come after it
    assert "Traceback" not in command.output


def test_a_filter_may_wait_though_the_program_patches_nothing(
    start: Start, connect: Connect, folder: Path
) -> None:
    command = start("chat_server.py", "-p", "0", "-f", "waiting", cwd=folder)
    sender, other = (connect(command.port()) for _ in range(2))
    sender.send("wait")
    third = connect(command.port())  # the filter waits for it
    third.send("hello")
    assert other.receive() == "wait"
    assert sender.receive() == "hello"


def test_its_help_shows_its_flags(start: Start, folder: Path) -> None:
    command = start("chat_server.py", "--help", cwd=folder)
    assert command.wait() == 0
    assert "usage: chat_server.py" in command.output
    for flag in ("-p", "--port", "-key", "-cert", "-token"):
        assert f"{flag} " in command.output


def test_servers_with_redis_share_groups(
    start: Start, connect: Connect, folder: Path, redis_server: RedisProcess
) -> None:
    redis = ("--redis_host", "127.0.0.1", "--redis_port", str(redis_server.port))
    commands = [
        start("shared_server.py", "-p", "0", *redis, "--redis_key", "chat", cwd=folder)
        for _ in range(2)
    ]
    one, other = clients = [connect(command.port()) for command in commands]
    for each in clients:
        each.send("token:a")
        assert "Successfully registered" in str(each.receive())
    one.send("hello")
    assert other.receive() == "hello"
    with closing(redis_server.client()) as client:
        assert client.dbsize() == len(list(client.scan_iter("chat:*"))) > 0


def test_without_a_server_the_program_is_told_what_to_call(start: Start) -> None:
    command = start("-c", "from fws_gevent.server import *; reactor.run()")
    assert command.wait() == 1
    assert command.output.endswith(
        "RuntimeError: there is no server to run: call build_reactor(options) first\n"
    )
