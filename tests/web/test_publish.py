"""/fws/publish: messages of other programs."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from fws_gevent.broker.memory import MemoryBroker
from fws_gevent.filters.base import WebSocketConnectFilter
from tests.clients import Client
from tests.conftest import Connect

from .conftest import MakeSite
from .sites import FORM, Answer, Site, bearer, login


@pytest.fixture
def publishing(make_site: MakeSite) -> Site:
    """Return a site whose connections join the groups that their tokens grant."""

    class JoinAll(WebSocketConnectFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            for group in web_socket_instance.token.groups:
                web_socket_instance.join(group)
            web_socket_instance.send("in")

    return make_site([JoinAll])


def publish(site: Site, authorization: str, **fields: str) -> Answer:
    return site.post("/fws/publish", fields, Authorization=authorization)


def member(site: Site, connect: Connect, subject: str, *groups: str) -> Client:
    client = site.dial(connect, site.token(subject, *groups))
    assert client.receive() == "in"
    return client


@pytest.mark.parametrize("data", ["hello", "", "Ünïcode \N{SNOWMAN} \0", "x" * 60_000])
def test_all_connections_get_it_as_text(data: str, publishing: Site, connect: Connect) -> None:
    clients = [member(publishing, connect, name) for name in ("ada", "bob")]
    answer = publish(publishing, login("paper"), data=data)
    assert (answer.status, answer.json) == (200, {})
    assert answer.headers["cache-control"] == "no-store"
    assert [each.receive() for each in clients] == [data, data]


def test_only_the_group_gets_it(publishing: Site, connect: Connect) -> None:
    inside = member(publishing, connect, "ada", "a")
    outside = member(publishing, connect, "bob", "b")
    assert publish(publishing, login("paper"), data="for a", group="a").status == 200
    assert publish(publishing, login("paper"), data="for ada", group="subject:ada").status == 200
    assert publish(publishing, login("paper"), data="for nobody", group="c").status == 200
    assert publish(publishing, login("paper"), data="for all").status == 200
    assert [inside.receive() for _ in range(3)] == ["for a", "for ada", "for all"]
    assert outside.receive() == "for all"


@pytest.mark.parametrize("fields", [{}, {"group": "a"}])
def test_data_is_required(fields: dict[str, str], site: Site) -> None:
    assert publish(site, login("paper"), **fields).refusal == (400, "invalid_request")


def test_the_scope_is_needed(site: Site) -> None:
    for asking in (bearer(site.token("ada", "*", scope="revoke status")), login("plain")):
        answer = publish(site, asking, data="hello")
        assert answer.refusal == (403, "insufficient_scope")
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    asking = bearer(site.token("ada", "*", scope="publish"))
    assert publish(site, asking, data="hello").status == 200


@pytest.mark.parametrize(
    ("groups", "group", "status"),
    [
        (["room:*"], "room:tea", 200),
        (["room:*"], "board:secret", 403),
        (["room:*"], "subject:bob", 403),
        (["room:*"], None, 403),
        ([], "room:tea", 403),
        ([], None, 403),
        ([], "subject:ada", 200),
        (["subject:*"], "subject:bob", 200),
        (["**"], None, 403),
        (["*"], "subject:bob", 200),
        (["*"], None, 200),
    ],
)
def test_the_group_must_be_granted_and_all_need_an_asterisk(
    groups: list[str], group: str | None, status: int, site: Site
) -> None:
    asking = bearer(site.token("ada", *groups, scope="publish"))
    answer = publish(site, asking, data="hello", **({} if group is None else {"group": group}))
    assert answer.status == status
    if status == 403:
        assert answer.refusal == (403, "insufficient_scope")


def test_a_program_publishes_only_to_its_own_groups(site: Site) -> None:
    statuses = {"room:tea": 200, "bills": 200, "board:secret": 403, "subject:ada": 403}
    for group, status in statuses.items():
        assert publish(site, login("billing"), data="x", group=group).status == status
    assert publish(site, login("billing"), data="x").status == 403


def test_an_empty_group_is_refused(site: Site) -> None:
    assert publish(site, login("paper"), data="x", group="").refusal == (400, "invalid_request")


def from_a_worker(client: FlaskClient, site: Site) -> int:
    headers = {"Authorization": bearer(site.token("ada", "*", scope="publish"))}
    answer = client.post("/fws/publish", data={"data": "hello"}, headers=headers,
                         environ_overrides={"wsgi.multiprocess": True})  # fmt: skip
    if answer.status_code == 503:
        assert answer.get_json()["error"] == "temporarily_unavailable"
        assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code


def test_several_workers_without_redis_refuse(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    client = site.app.test_client()
    assert from_a_worker(client, site) == 503
    monkeypatch.setattr(MemoryBroker, "shared", True)
    assert from_a_worker(client, site) == 200


@pytest.mark.parametrize("group", ["a" * 256, "a\nb", "\x00"])
def test_an_invalid_group_name_is_a_bad_request(site: Site, group: str) -> None:
    answer = publish(site, login(), data="hello", group=group)
    assert answer.refusal == (400, "invalid_request")
    assert answer.json["error_description"].startswith("a group's name must have")


@pytest.mark.parametrize(
    "body", [b"data=x&group=%FF", b"data=x&group=%ED%A0%80", b"data=a%C3", b"data=\xff"]
)
def test_a_form_that_is_not_utf8_is_refused(
    body: bytes, publishing: Site, connect: Connect
) -> None:
    inside = member(publishing, connect, "ada", "\N{REPLACEMENT CHARACTER}")
    head = {"Content-Type": FORM, "Authorization": login("paper")}
    answer = publishing.ask("POST", "/fws/publish", body, head)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    assert publish(publishing, login("paper"), data="\N{REPLACEMENT CHARACTER}").status == 200
    assert inside.receive() == "\N{REPLACEMENT CHARACTER}"
