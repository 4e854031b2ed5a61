"""Clients that are too slow over HTTP or TLS are dropped, and keep no other client out."""

from __future__ import annotations

import contextlib
import resource
import socket
import ssl
from collections.abc import Iterator
from time import monotonic

import gevent
import pytest

from ..certificates import Identity
from ..clients import PATIENCE, Client, upgrade
from ..gunicorns import read_until
from ..raw_http import parse, read_to_end, request
from ..waiting import until
from .standing import standing
from .ways import COMMAND, OURS, STOCK, WAYS, Site

TIMEOUT = 1.5
"""The `request_timeout` of the servers, in seconds."""

MANY = {COMMAND: 1000, OURS: 1500}
SEVERAL = 300

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""Return the beginning of a TLS ClientHello."""


@pytest.fixture(scope="module", autouse=True)
def _descriptors_enough() -> Iterator[None]:
    """Raise the limit of descriptors for this process and its children as far as possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def patient(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    identity: Identity | None,
) -> Iterator[Site]:
    """Return a site that has answered once; its log is checked at the end."""
    way: str = request.param
    home = tmp_path_factory.mktemp("site")
    with standing(way, home, identity=identity, request_timeout=TIMEOUT) as site:
        assert echoes(site.client())
        yield site
    if way != STOCK:  # gevent logs a traceback for each TLS handshake that breaks off
        assert "Traceback" not in site.log


@pytest.fixture(scope="module", params=WAYS)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Return a server without TLS."""
    with patient(request, tmp_path_factory, None) as site:
        yield site


@pytest.fixture(scope="module", params=WAYS)
def secure(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, identity: Identity
) -> Iterator[Site]:
    """Return a server with TLS."""
    with patient(request, tmp_path_factory, identity) as site:
        yield site


@pytest.fixture
def bare() -> Iterator[list[socket.socket]]:
    """Return the connections of a test, which are closed at its end."""
    connections: list[socket.socket] = []
    yield connections
    for each in connections:
        each.close()


def echoes(client: Client) -> bool:
    client.send("hello")
    return client.receive() == "hello"


def is_open(connection: socket.socket) -> bool:
    """Return whether the server has not hung up, without waiting."""
    connection.settimeout(0)
    try:
        return connection.recv(1 << 16) != b""
    except (BlockingIOError, ssl.SSLWantReadError, TimeoutError):
        return True
    except OSError:
        return False
    finally:
        connection.settimeout(PATIENCE)


def let_time_pass() -> None:
    """Wait until a time-out is over, to see that it has no effect."""
    gevent.sleep(1.5 * TIMEOUT)


SILENT = [b"", b"GET / HT", upgrade(80)[:-2]]
ANSWERED = [request(), request("POST / HTTP/1.1", "Content-Length: 5") + b"he"]
"""Connections that are idle after a request, and after one with half a body."""


def test_a_silent_client_is_dropped_and_keeps_no_other_out(
    site: Site, bare: list[socket.socket]
) -> None:
    client = site.client()
    before = site.descriptors
    for beginning in (*SILENT, *ANSWERED):
        for _ in range(MANY.get(site.way, SEVERAL) // 5):
            bare.append(site.open())
            bare[-1].sendall(beginning)
            if beginning in ANSWERED:
                assert parse(read_until(bare[-1], b"wss://.\n"))[0].status == 426
    assert is_open(bare[-1])
    assert echoes(site.client())
    if site.way == STOCK:
        # gevent's own handler waits for requests without a time-out.
        let_time_pass()
        assert all(is_open(each) for each in bare)
        return
    assert all(read_to_end(each) == b"" for each in bare)
    # The newcomer stays, as WebSockets may be silent.
    until(lambda: site.descriptors <= before + 1)
    assert echoes(client)


def drip(connections: list[socket.socket], site: Site) -> None:
    """Send a byte on each from time to time, until the server has dropped all of them."""
    left = set(connections)

    def all_dropped() -> bool:
        for each in tuple(left):
            with contextlib.suppress(OSError):
                each.send(b"a")
            if not is_open(each):
                left.discard(each)
        return not left

    if site.way == STOCK:
        # There it goes on as long as bytes are left to send.
        end = monotonic() + 1.5 * TIMEOUT
        until(lambda: all_dropped() or monotonic() > end)
        assert left == set(connections)
    else:
        until(all_dropped)


def test_a_client_that_drips_is_dropped_and_keeps_no_other_out(
    site: Site, bare: list[socket.socket]
) -> None:
    for beginning in (b"", b"GET /", b"GET / HTTP/1.1\r\nX-Note: "):
        for _ in range(SEVERAL // 3):
            bare.append(site.open())
            bare[-1].sendall(beginning)
    client = site.client()
    assert echoes(client)
    drip(bare, site)
    assert echoes(client)


def test_a_client_that_is_dropped_in_a_request_gets_no_answer(
    site: Site, bare: list[socket.socket]
) -> None:
    bare.append(site.open())
    bare[0].sendall(upgrade(80)[:-2])
    if site.way == STOCK:
        let_time_pass()
        bare[0].sendall(b"\r\n")
        assert bare[0].recv(12) == b"HTTP/1.1 101"
        return
    assert read_to_end(bare[0]) == b""


def test_a_client_that_stalls_in_the_tls_handshake_is_dropped_and_keeps_no_other_out(
    secure: Site, bare: list[socket.socket]
) -> None:
    for beginning in (b"", HELLO[:3], HELLO):
        for _ in range(MANY.get(secure.way, SEVERAL) // 3):
            bare.append(socket.create_connection(("127.0.0.1", secure.port), PATIENCE))
            bare[-1].sendall(beginning)
    assert is_open(bare[-1])
    client = secure.client()
    assert echoes(client)
    if secure.way == STOCK:
        # gevent's server has no time-out for a handshake.
        let_time_pass()
        assert all(is_open(each) for each in bare)
        return
    assert all(read_to_end(each) == b"" for each in bare)
    assert echoes(client)


def test_a_client_that_drips_in_the_tls_handshake_is_dropped(
    secure: Site, bare: list[socket.socket]
) -> None:
    for _ in range(SEVERAL):
        bare.append(socket.create_connection(("127.0.0.1", secure.port), PATIENCE))
        bare[-1].sendall(HELLO)
    drip(bare, secure)
    assert echoes(secure.client())


def test_a_client_that_is_silent_after_the_tls_handshake_is_dropped(
    secure: Site, bare: list[socket.socket]
) -> None:
    bare.extend(secure.open() for _ in range(20))
    if secure.way == STOCK:
        let_time_pass()
        assert all(is_open(each) for each in bare)
        return
    assert all(read_to_end(each) == b"" for each in bare)
