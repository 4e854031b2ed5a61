"""Frames that try to fill the memory of a server or to keep it busy."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest

from ..clients import Client, frame
from .conftest import Run
from .hostile import MIB, Bystander, Flood, Reader, peak
from .standing import standing
from .ways import STOCK, WAYS, Site

DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"

ROOM = 16 * MIB
"""Bytes by which a server may grow under an attack."""


@pytest.fixture(scope="module", params=WAYS)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Return one server for the tests without settings of their own."""
    home = tmp_path_factory.mktemp("hostile")
    with standing(request.param, home) as begun:
        yield begun


def _announce(opcode: int, size: int) -> bytes:
    """Return the header and the mask of a frame without its payload."""
    return bytes((0x80 | opcode, 0xFF)) + size.to_bytes(8, "big") + b"mask"


def _closed_with(client: Client) -> int:
    """Return the code with which a client is closed. Nothing comes before or after the Close."""
    ((opcode, payload),) = Reader(client)
    assert opcode == 8
    return int.from_bytes(payload[:2], "big")


TOO_MUCH = {  # the begin, the repeated part and its count, the close code
    "2 GiB announced": (_announce(2, 2 << 30), bytes(MIB), 64, 1009),
    "2 GiB of text announced": (_announce(1, 2 << 30), bytes(MIB), 64, 1009),
    "2 GiB announced in a fragment": (
        frame(2, b"begun", first=0) + _announce(0, 2 << 30), bytes(MIB), 64, 1009,
    ),
    "an endless message": (frame(1, first=0), frame(0, bytes(65536), first=0), 1024, 1009),
    "tiny fragments": (frame(2, first=0), frame(0, b"x", first=0) * 1000, 300, 1008),
    "empty fragments": (frame(1, first=0), frame(0, first=0) * 1000, 300, 1008),
    "empty fragments between pings": (
        frame(1, first=0), (frame(10) + frame(0, first=0)) * 1000, 300, 1008,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TOO_MUCH)
def test_a_client_that_sends_too_much_is_closed_and_takes_no_memory(what: str, site: Site) -> None:
    start, more, times, code = TOO_MUCH[what]
    bystander = Bystander(site)
    before = site.resident
    client = site.client()
    client.raw(start)
    with Flood(client, more, times) as flood:
        assert _closed_with(client) == code
        bystander.ask_until(lambda: flood.over)
    bystander.ask()
    assert peak(site) - before <= ROOM


def test_a_client_that_never_stops_sending_is_cut_off(run: Run) -> None:
    site = run(close_timeout=0.3)
    bystander, client = Bystander(site), site.client()
    before = site.resident
    client.raw(_announce(2, 2 << 30))
    with Flood(client, bytes(MIB)) as flood:
        assert _closed_with(client) == 1009
        bystander.ask_until(lambda: flood.over)
    bystander.ask()
    assert peak(site) - before <= ROOM


def test_a_hundred_clients_that_announce_large_frames_take_no_memory(site: Site) -> None:
    bystander = Bystander(site)
    before = site.resident
    clients = [site.client(early=_announce(2, MIB)) for _ in range(100)]
    bystander.ask()
    assert peak(site) - before <= ROOM
    for client in clients:
        client.drop()


@pytest.mark.parametrize(("question", "answer"), [(9, 10), (1, 1)])
def test_a_flood_is_answered_to_its_end_and_in_order(
    question: int, answer: int, site: Site
) -> None:
    payloads = [f"{number:06}".encode().ljust(125) for number in range(100_000)]
    bystander, client = Bystander(site), site.client()
    before = site.resident
    with Flood(client, b"".join(frame(question, each) for each in payloads), 1):
        answers = iter(Reader(client))
        for number, payload in enumerate(payloads):
            assert next(answers) == (answer, payload)
            if number % 1000 == 0:
                bystander.ask()
    client.close()
    assert next(answers)[0] == 8
    assert peak(site) - before <= ROOM


def test_a_client_that_never_reads_its_pongs_is_not_read_from_and_then_closed(run: Run) -> None:
    site = run(max_queue=64 * 1024, max_queue_time=0.3, close_timeout=20)
    bystander, client = Bystander(site), site.client(receive_buffer=4096)
    before = site.resident
    with Flood(client, frame(9, bytes(125)) * 1000):
        bystander.ask_until(lambda: "reads too slowly" in site.log)
        *pongs, close = Reader(client)
    assert set(pongs) == {(10, bytes(125))}
    assert close == (8, (1013).to_bytes(2, "big") + b"too slow or overloaded")
    bystander.ask()
    assert peak(site) - before <= ROOM
    assert site.log.count("reads too slowly") == 1


LIMIT = 16 * MIB


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """Return a compressed message of half a GiB of zeros, a thousandth of that in size."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    pieces = [deflater.compress(bytes(LIMIT)) for _ in range(32)]
    payload = b"".join((*pieces, deflater.flush(zlib.Z_SYNC_FLUSH)))[:-4]
    assert len(payload) * 1000 < 32 * LIMIT
    return payload


def _compressed(payload: bytes, size: int) -> Iterator[bytes]:
    """Return the frames of a compressed message, in fragments of `size` bytes."""
    for start in range(0, len(payload), size):
        opcode, kind = (0, 0) if start else (2, 0x40)
        last = 0x80 if start + size >= len(payload) else 0
        yield frame(opcode, payload[start : start + size], first=kind | last)


def test_a_compression_bomb_is_not_inflated(run: Run, bomb: bytes) -> None:
    site = run(max_message_size=LIMIT)
    bystander = Bystander(site)
    sizes = (len(bomb), len(bomb) // 2, 5000)
    clients = [site.client(headers=[DEFLATE]) for _ in sizes]
    # The handshake of that worker agrees on no extension, so compressed frames are invalid.
    code = 1002 if site.way == STOCK else 1009
    before = site.resident
    for client, size in zip(clients, sizes, strict=True):
        client.raw(b"".join(_compressed(bomb, size)))
        bystander.ask()
        assert _closed_with(client) == code
    bystander.ask()
    assert peak(site) - before <= 2 * LIMIT
