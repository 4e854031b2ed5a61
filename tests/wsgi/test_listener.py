"""Listening: socket files that harm no other, passed sockets, TLS identities that work."""

from __future__ import annotations

import os
import re
import socket
import stat
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

from fws_gevent.errors import ConfigurationError
from fws_gevent.filters.base import WebSocketConnectFilter, WebSocketMessageFilter
from fws_gevent.server import build_server
from fws_gevent.settings import Settings
from fws_gevent.wsgi import listener
from fws_gevent.wsgi.listener import check_listening, inherited_listener, pass_on

from ..certificates import Identity, encrypt_key, make_identity
from ..clients import PATIENCE
from ..conftest import Connect, Serve, Start

Dial = Callable[..., websocket.WebSocket]


class Who(WebSocketConnectFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        host, port = web_socket_instance.remote_address
        web_socket_instance.send(f"{host}:{port}")


class Echo(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.send(data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fws.sock"


@pytest.fixture
def dial() -> Iterator[Dial]:
    """Opens a WebSocket over a socket file."""
    opened: list[Any] = []

    def open_one(path: Path, **more: Any) -> Any:
        bare = socket.socket(socket.AF_UNIX)
        opened.append(bare)
        bare.settimeout(PATIENCE)
        bare.connect(str(path))
        client: Any = websocket.WebSocket()
        client.connect("ws://chat.example/", socket=bare, suppress_origin=True, **more)
        return client

    yield open_one
    for each in opened:
        each.close()


def echoes(client: Any) -> bool:
    client.send("hello")
    return bool(client.recv() == "hello")


def test_a_socket_file_serves_and_goes_at_the_end(serve: Serve, dial: Dial, path: Path) -> None:
    server = serve([Echo], host=f"unix:{path}")
    assert server.url == f"ws+unix:{path}"
    assert echoes(dial(path))
    server.stop(0)
    assert not path.exists()


def test_a_client_over_it_has_no_address_unless_a_trusted_proxy_names_one(
    serve: Serve, dial: Dial, path: Path
) -> None:
    forwarded = ["X-Forwarded-For: 203.0.113.7"]
    serve([Who], host=f"unix:{path}")
    assert dial(path, header=forwarded).recv() == ":0"
    trusting = path.with_name("trusting.sock")
    serve([Who], host=f"unix:{trusting}", trusted_proxies=("unix",))
    assert dial(trusting, header=forwarded).recv() == "203.0.113.7:0"


def test_one_that_a_dead_server_left_is_replaced(serve: Serve, dial: Dial, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert stat.S_ISSOCK(path.stat().st_mode)
    serve([Echo], host=f"unix:{path}")
    assert echoes(dial(path))


def test_one_that_is_served_on_is_left_alone(serve: Serve, dial: Dial, path: Path) -> None:
    serve([Echo], host=f"unix:{path}")
    with pytest.raises(ConfigurationError, match=f"unix:{path}: .*in use"):
        serve(host=f"unix:{path}")
    assert echoes(dial(path))


def test_a_regular_file_in_its_place_is_left_alone(serve: Serve, path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(ConfigurationError, match=f"unix:{path}: .*in use"):
        serve(host=f"unix:{path}")
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "why"),
    [("no/such/folder.sock", "No such file or directory"), ("long" * 50, "too long")],
)
def test_an_impossible_path_is_reported_in_one_line(
    name: str, why: str, serve: Serve, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        serve(host=f"unix:{tmp_path / name}")
    text = str(caught.value)
    assert f"unix:{tmp_path / name}: " in text
    assert why in text
    assert "\n" not in text


def test_a_socket_file_that_is_gone_already_does_not_hinder_the_end(
    serve: Serve, path: Path
) -> None:
    server = serve(host=f"unix:{path}")
    path.unlink()
    server.stop(0)
    assert not path.exists()


# Passed sockets.

AS_SYSTEMD_DOES = """
import os, socket, sys
kind = socket.SOCK_STREAM if sys.argv[1] == "stream" else socket.SOCK_DGRAM
passed = socket.socket(socket.AF_INET, kind)
passed.bind(("127.0.0.1", 0))
if sys.argv[1] == "stream":
    passed.listen()
print("passes", passed.getsockname()[1])
os.dup2(passed.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[2])
os.execv(sys.executable, [sys.executable, "-m", "fws_gevent", "-p", "0"])
"""


def test_the_command_serves_on_the_socket_that_it_is_passed(start: Start, connect: Connect) -> None:
    command = start("-c", AS_SYSTEMD_DOES, "stream", "1")
    port = int(command.wait_for(r"passes (\d+)")[1])
    assert command.port() == port
    connect(port)


@pytest.mark.parametrize(
    ("kind", "count", "why"),
    [("stream", "2", "LISTEN_FDS is '2'"), ("datagrams", "1", "doesn't listen")],
)
def test_an_unusable_passed_socket_is_reported_in_one_line(
    kind: str, count: str, why: str, start: Start
) -> None:
    command = start("-c", AS_SYSTEMD_DOES, kind, count)
    assert command.wait() == 2
    assert re.search(rf"passes \d+\nfws_server: error: [^\n]*{why}[^\n]*\n$", command.output)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A listening socket in the place where passed ones are."""
    with socket.create_server(("127.0.0.1", 0)) as passed:
        monkeypatch.setattr(listener, "FIRST", passed.fileno())
        monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
        monkeypatch.setenv("LISTEN_FDS", "1")
        yield passed


def test_a_passed_socket_is_taken_once_and_by_no_child(place: socket.socket) -> None:
    address = place.getsockname()
    os.set_inheritable(place.fileno(), True)
    taken = inherited_listener()
    assert (taken.fileno(), taken.getsockname()) == (place.fileno(), address)
    assert not os.get_inheritable(place.fileno())
    assert taken.timeout == 0
    assert "LISTEN_PID" not in os.environ
    assert "LISTEN_FDS" not in os.environ
    assert inherited_listener() is None
    taken.detach()


def test_one_that_is_for_another_process_is_left_alone(
    place: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getppid()))
    assert inherited_listener() is None
    assert os.environ["LISTEN_FDS"] == "1"


def test_a_missing_passed_socket_is_reported(place: socket.socket, tmp_path: Path) -> None:
    with (tmp_path / "a file").open("w") as file:
        os.dup2(file.fileno(), place.fileno())
    with pytest.raises(ConfigurationError, match="no socket was passed: Socket operation on non"):
        inherited_listener()


@pytest.mark.parametrize("in_its_place", [False, True])
def test_a_socket_is_passed_on_with_the_words_that_say_so(
    in_its_place: bool, place: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LISTEN_PID")
    monkeypatch.delenv("LISTEN_FDS")
    with socket.create_server(("127.0.0.1", 0)) as mine:
        passed = place if in_its_place else mine
        pass_on(passed.fileno())
        assert os.get_inheritable(place.fileno())
        assert place.getsockname() == passed.getsockname()
    assert (os.environ["LISTEN_PID"], os.environ["LISTEN_FDS"]) == (str(os.getpid()), "1")


# Unusable TLS identities.


def no_key(identity: Identity, folder: Path) -> Identity:
    return identity._replace(key=str(folder / "nowhere.pem"))


def no_certificate(identity: Identity, folder: Path) -> Identity:
    return identity._replace(cert=str(folder / "nowhere.pem"))


def folder_as_key(identity: Identity, folder: Path) -> Identity:
    return identity._replace(key=str(folder))


def nonsense_as_key(identity: Identity, folder: Path) -> Identity:
    nonsense = folder / "nonsense.pem"
    nonsense.write_text("this is no key\n")
    return identity._replace(key=str(nonsense))


def other_key(identity: Identity, folder: Path) -> Identity:
    return identity._replace(key=make_identity(folder).key)


def encrypted_key(identity: Identity, folder: Path) -> Identity:
    encrypted = str(folder / "encrypted.pem")
    encrypt_key(identity.key, encrypted, b"secret")
    return identity._replace(key=encrypted)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (no_key, "-key {key}: No such file"),
        (no_certificate, "-cert {cert}: No such file"),
        (folder_as_key, "-key {key}: Is a directory"),
        (nonsense_as_key, "-key {key}"),
        (other_key, "KEY_VALUES_MISMATCH"),
        (encrypted_key, "the key is encrypted"),
    ],
)
def test_an_unusable_identity_is_reported_in_one_line(
    spoil: Callable[[Identity, Path], Identity], says: str, identity: Identity, tmp_path: Path
) -> None:
    spoilt = spoil(identity, tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        build_server(Namespace(port=0, **spoilt._asdict()))
    text = str(caught.value)
    assert says.format(**spoilt._asdict()) in text
    assert spoilt.key in text or spoilt.cert in text
    assert "\n" not in text


@pytest.mark.parametrize("only", ["key", "cert"])
def test_a_key_without_a_certificate_or_the_reverse_is_refused(
    only: str, identity: Identity
) -> None:
    with pytest.raises(ConfigurationError, match="both -key and -cert"):
        build_server(Namespace(port=0, **{only: identity._asdict()[only]}))


# Checks without listening.


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_host_of_this_machine_is_accepted_also_if_its_port_is_in_use(
    host: str, serve: Serve
) -> None:
    check_listening(Settings(host=host, port=serve().server_port or 0))


def test_a_socket_file_is_good_where_one_may_be_made_or_is(serve: Serve, path: Path) -> None:
    check_listening(Settings(host=f"unix:{path}"))
    assert not path.exists()
    serve(host=f"unix:{path}")
    check_listening(Settings(host=f"unix:{path}"))


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("192.0.2.1", "can't listen on 192.0.2.1: "),
        ("unix:{}/no_such_folder/fws.sock", "no_such_folder is not a folder"),
        ("unix:{}", "it is there, and is not a socket"),
    ],
)
def test_an_unusable_address_is_reported(host: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=says):
        check_listening(Settings(host=host.format(tmp_path)))


def test_an_unusable_identity_is_reported(identity: Identity, tmp_path: Path) -> None:
    check_listening(Settings(**identity._asdict()))
    with pytest.raises(ConfigurationError, match="can't read -cert"):
        check_listening(Settings(key=identity.key, cert=str(tmp_path / "nothing.pem")))
