"""Many greenlets that send over one slow socket at once."""

from __future__ import annotations

import inspect
from collections import defaultdict

import pytest

from ..certificates import Identity
from ..clients import PATIENCE, frame
from ..waiting import until
from .conftest import Run
from .hostile import MIB, Bystander, Reader

COUNT = 36  # messages of each, 1.6 MB, below the bound of the queue


def payload(sender: str, number: int) -> bytes:
    """Return a message of a few bytes to more than one write, with the name of its sender."""
    return f"{sender} {number} ".encode().ljust(20 + number * 7919 % 90_000, sender.encode())


SENDERS = f"""
import gevent
from fws_gevent.filters.base import WebSocketMessageFilter

COUNT = {COUNT}

{inspect.getsource(payload)}

def pour(connection, sender):
    for number in range(COUNT):
        connection.send(payload(sender, number))


class Pour(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        def pour_and_pause(sender):
            for number in range(COUNT):
                web_socket_instance.send(payload(sender, number))
                gevent.sleep(0.003 * (number % 3))

        if data == "pour":
            web_socket_instance.join("slow")
            greenlets = [gevent.spawn(pour_and_pause, sender) for sender in "abcdef"]
            pour(web_socket_instance, "F")  # waits for room, again and again
            gevent.joinall(greenlets)
            web_socket_instance.send("!")


class PourFromThread(WebSocketMessageFilter):
    offload = True

    @classmethod
    def filter(cls, web_socket_instance, data):
        if data == "pour from a thread":
            for slow in web_socket_instance.node.groups["slow"].values():
                pour(slow, "T")


class Look(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        if data == "how much waits?":
            slow = web_socket_instance.node.groups.get("slow", {{}})
            data = str(sum(each.queued for each in slow.values()))
        if data != "pour":
            web_socket_instance.send(data)
"""


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_frames_stay_whole_and_the_order_of_each_sender_is_kept(
    tls: bool, run: Run, identity: Identity
) -> None:
    site = run(SENDERS, identity=identity if tls else None, max_queue_time=PATIENCE)
    bystander = Bystander(site)
    slow = site.client(receive_buffer=4096)
    slow.send("pour")
    slow.raw(frame(9, b"between them") * 3)
    until(lambda: int(bystander.say("how much waits?")) > MIB)
    site.client().send("pour from a thread")
    got: dict[str, list[bytes]] = defaultdict(list)
    for opcode, data in Reader(slow):
        got["pongs" if opcode == 10 else chr(data[0])].append(data)
        bystander.ask()
        if len(got["pongs"]) == 3:
            break
    assert got.pop("pongs") == [b"between them"] * 3
    assert got.pop("!") == [b"!"]
    for sender in "abcdefFT":
        assert got.pop(sender) == [payload(sender, number) for number in range(COUNT)]
    assert not got
