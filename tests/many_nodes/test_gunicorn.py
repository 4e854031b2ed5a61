"""gunicorn with four workers and Redis: one server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from ..certificates import Identity
from ..clients import PATIENCE, Client, Command, frame, upgrade
from ..conftest import Connect
from ..gunicorns import Running, run
from ..raw_http import exchange
from ..redis_processes import RedisProcess
from ..tokens.issuing import SECRET, issued_elsewhere, payload
from ..waiting import until

WORKERS = 4
ATTEMPTS = 400
"""Connections that are opened at most to have one on every worker."""

SITE = """
import os
from flask import Flask
from fws_gevent import FilteredWebSocket
from fws_gevent.filters.base import WebSocketMessageFilter

app = Flask(__name__)
fws = FilteredWebSocket(app)

class Orders(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance, data):
        if data == "where?":
            web_socket_instance.send(str(os.getpid()))
        elif data == "join":
            web_socket_instance.join("room:1")
            web_socket_instance.send("joined")
        else:
            web_socket_instance.broadcast(data, "room:1", include_self=True)

@app.get("/tokens/<subject>")
def tokens(subject):
    return fws.issue_tokens(subject)
"""


@pytest.fixture(scope="module")
def gunicorn(identity: Identity, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """gunicorn, and a Redis that nobody empties meanwhile."""
    home = tmp_path_factory.mktemp("gunicorn")
    (home / "four_site.py").write_text(SITE)
    redis = RedisProcess(home / "redis")
    started: list[Command] = []

    def start(*arguments: str, **more: Any) -> Command:
        started.append(Command(*arguments, **more))
        return started[0]

    try:
        yield run(
            start, identity, home, "-w", str(WORKERS), "four_site:app", FWS_AUTH="required",
            FWS_REDIS_URL=redis.url, FWS_SIGNING_KEY=SECRET,
        )  # fmt: skip
    finally:
        for command in started:
            command.end()
        redis.stop()


@pytest.fixture
def everywhere(gunicorn: Running, connect: Connect) -> Callable[..., list[Client]]:
    """Opens a client of a subject on each worker, in the group: everywhere("ada")."""

    def open_all(subject: str) -> list[Client]:
        found: dict[str, Client] = {}
        for _ in range(ATTEMPTS):
            client = connect(gunicorn.port, "/ws", headers=[bearer(subject)])
            client.send("where?")
            worker = str(client.receive())
            if worker in found:
                client.drop()
                continue
            found[worker] = client
            client.send("join")
            assert client.receive() == "joined"
            if len(found) == WORKERS:
                break
        assert len(found) == WORKERS
        return list(found.values())

    return open_all


class Reply(NamedTuple):
    """The answer to a request."""

    status: int
    json: Any


def bearer(subject: str, scope: str = "", *groups: str) -> str:
    """The header with a token of another application."""
    claims = payload(sub=subject, scope=scope, **({"groups": list(groups)} if groups else {}))
    return f"Authorization: Bearer {issued_elsewhere(claims)}"


def ask(gunicorn: Running, path: str, authorization: str = "", **fields: str) -> Reply:
    """One request in a connection of its own, so whichever worker takes it; a POST with fields."""
    http = HTTPConnection("127.0.0.1", gunicorn.port, timeout=PATIENCE)
    headers = dict([authorization.split(": ", 1)]) if authorization else {}
    try:
        if fields:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        http.request("POST" if fields else "GET", path, urlencode(fields) or None, headers)
        answer = http.getresponse()
        return Reply(answer.status, json.loads(answer.read()))
    finally:
        http.close()


def test_clients_of_all_workers_get_each_others_messages_once_and_in_order(
    gunicorn: Running, everywhere: Callable[..., list[Client]]
) -> None:
    clients = everywhere("ada")
    for number in range(10):
        for sender, client in enumerate(clients):
            client.send(f"{sender} {number}")
    heard = [[client.receive() for _ in range(10 * WORKERS)] for client in clients]
    assert all(each == heard[0] for each in heard)
    for sender in range(WORKERS):
        mine = [each for each in heard[0] if str(each).startswith(f"{sender} ")]
        assert mine == [f"{sender} {number}" for number in range(10)]
    answer = ask(
        gunicorn, "/fws/publish", bearer("app", "publish", "*"), data="last", group="room:1"
    )
    assert answer.status == 200
    assert [client.receive() for client in clients] == ["last"] * WORKERS


def test_a_message_published_over_http_reaches_all_clients_once(
    gunicorn: Running, everywhere: Callable[..., list[Client]]
) -> None:
    clients = everywhere("ada")
    for number in range(8):
        answer = ask(gunicorn, "/fws/publish", bearer("app", "publish", "*"), data=f"news {number}")
        assert answer.status == 200
    for client in clients:
        assert [client.receive() for _ in range(8)] == [f"news {number}" for number in range(8)]
        client.raw(frame(9))
        assert client.frame().opcode == 10  # and nothing else came


def test_each_worker_knows_all_workers_and_members(
    gunicorn: Running, everywhere: Callable[..., list[Client]]
) -> None:
    clients = everywhere("grace")

    def all_nodes() -> bool:
        status = ask(gunicorn, "/fws/status?format=json", bearer("app", "status"))
        assert status.status == 200
        nodes = status.json["nodes"]
        assert sum(each["this"] for each in nodes) == 1
        return len({each["name"] for each in nodes}) == len(nodes) == WORKERS

    for _ in range(2 * WORKERS):
        until(all_nodes)

    def all_members() -> bool:
        group = ask(gunicorn, "/fws/groups/room:1", bearer("app", "status")).json
        mine = [each for each in group["members"] if each["subject"] == "grace"]
        return len(mine) == len({each["node"] for each in mine}) == len(clients)

    until(all_members)


def test_a_ticket_of_one_worker_is_good_once_on_any(gunicorn: Running, connect: Connect) -> None:
    for _ in range(2 * WORKERS):
        made = ask(gunicorn, "/fws/ticket", bearer("ada"), x="y").json["ticket"]
        client = connect(gunicorn.port, f"/ws?ticket={made}")
        client.send("where?")
        client.receive()
        client.drop()
        for _ in range(2):
            asked = upgrade(gunicorn.port, f"/ws?ticket={made}")
            assert [answer.status for answer in exchange(gunicorn.port, asked)] == [401]


def test_a_refresh_token_goes_from_worker_to_worker_and_is_good_once(gunicorn: Running) -> None:
    pair = ask(gunicorn, "/tokens/ada").json

    def renew(token: str) -> Reply:
        return ask(gunicorn, "/fws/token", grant_type="refresh_token", refresh_token=token)

    used: list[str] = []
    for _ in range(2 * WORKERS):
        used.append(pair["refresh_token"])
        answer = renew(used[-1])
        assert answer.status == 200, answer
        pair = answer.json
    # One of before the last is no retry: it was stolen, or taken, and the family ends everywhere.
    assert renew(used[-2]).status == 400
    for _ in range(2 * WORKERS):
        assert renew(pair["refresh_token"]).status == 400
        until(lambda: is_refused(gunicorn, pair["access_token"]))


def is_refused(gunicorn: Running, token: str) -> bool:
    """Return whether a worker refuses a token."""
    asked = upgrade(gunicorn.port, "/ws", [f"Authorization: Bearer {token}"])
    with gunicorn.open() as client:
        client.sendall(asked)
        return client.recv(12) == b"HTTP/1.1 401"


def test_a_revocation_at_one_worker_counts_at_all(
    gunicorn: Running, everywhere: Callable[..., list[Client]]
) -> None:
    clients, (other, *_) = everywhere("mallory"), everywhere("bob")
    token = ask(gunicorn, "/tokens/mallory").json["access_token"]
    answer = ask(gunicorn, "/fws/revoke", bearer("app", "revoke"), subject="mallory")
    assert answer.status == 200
    for client in clients:
        assert client.frame().close == (4401, "the token was revoked")
    for _ in range(2 * WORKERS):
        assert is_refused(gunicorn, token)
    other.send("where?")
    assert str(other.receive()).isdigit()
