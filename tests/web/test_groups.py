"""GET /fws/groups/<group>: the members of a group on all nodes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from fws_gevent.filters.base import WebSocketConnectFilter
from fws_gevent.web import groups
from tests.clients import Client
from tests.conftest import Connect, StartRedis
from tests.redis_processes import RedisProcess
from tests.waiting import until

from .conftest import MakeSite
from .sites import Answer, Site, basic, bearer, login


@pytest.fixture
def join_all() -> type[WebSocketConnectFilter]:
    """Joins the groups that the token of a new connection grants."""

    class JoinAll(WebSocketConnectFilter):
        @classmethod
        def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
            for group in web_socket_instance.token.groups:
                web_socket_instance.join(group)
            web_socket_instance.send(web_socket_instance.id)

    return JoinAll


def enter(site: Site, connect: Connect, subject: str, *groups: str) -> tuple[Client, str]:
    client = site.dial(connect, site.token(subject, *groups))
    name = client.receive()
    assert isinstance(name, str)
    return client, name


def members(site: Site, group: str, authorization: str | None = None) -> Answer:
    everything = bearer(site.token("eve", "*", scope="status"))
    return site.get(f"/fws/groups/{quote(group)}", Authorization=authorization or everything)


@pytest.mark.parametrize("group", ["room", "room:a/b c", "grüße %2F {x}", "/a", "//a//b/"])
def test_the_answer_has_count_and_members(
    group: str, make_site: MakeSite, connect: Connect, join_all: Any
) -> None:
    site = make_site([join_all])
    client, ada = enter(site, connect, "ada", group)
    answer = members(site, group)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    node = site.server.node.broker.node_name
    listed = [{"id": ada, "subject": "ada", "node": node}]
    assert answer.json == {"group": group, "count": 1, "members": listed}
    client.drop()
    until(lambda: members(site, group).json == {"group": group, "count": 0, "members": []})


def test_the_members_are_shown_to_tokens_that_grant_the_group(site: Site) -> None:
    for asking in (site.token("ada", "room:*"), site.token("ada", "room:a"),
                   site.token("ada", "*")):  # fmt: skip
        assert members(site, "room:a", bearer(asking)).status == 200
    assert members(site, "room:a", login("billing")).status == 200
    assert members(site, "subject:ada", bearer(site.token("ada"))).status == 200
    for asking in (site.token("ada"), site.token("ada", "room:b"),
                   site.token("ada", "room:b", scope="publish status")):  # fmt: skip
        answer = members(site, "room:a", bearer(asking))
        assert answer.refusal == (403, "insufficient_scope")
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert members(site, "room:a", login("plain")).status == 403


def test_a_subjects_group_is_shown_to_others_by_scope_and_pattern_alone(site: Site) -> None:
    for scope, pattern, status in (
        ("", "*", 403), ("status", "room:*", 403), ("status", "*", 200),
        ("status", "subject:b*", 200),
    ):  # fmt: skip
        asking = bearer(site.token("ada", pattern, scope=scope))
        assert members(site, "subject:bob", asking).status == status
    assert members(site, "subject:paper", login("paper")).status == 403
    assert members(site, "subject:client:paper", login("paper")).status == 200


def test_without_a_valid_token_the_members_are_not_shown(site: Site) -> None:
    answer = site.get("/fws/groups/room")
    assert answer.refusal == (401, "invalid_token")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert members(site, "room", bearer("rubbish")).refusal == (401, "invalid_token")
    assert members(site, "room", basic("billing", "wrong")).refusal == (401, "invalid_client")
    revoked = site.token("ada", "room")
    site.server.tokens.revoke_subject("ada")
    assert members(site, "room", bearer(revoked)).refusal == (401, "invalid_token")


def test_a_long_list_is_shortened_and_counted_in_full(
    make_site: MakeSite, connect: Connect, join_all: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "LISTED", 2)
    site = make_site([join_all])
    for _ in range(3):
        enter(site, connect, "ada", "room")
    found = members(site, "room").json
    assert found["count"] == 3
    assert len(found["members"]) == 2


def test_each_node_lists_the_members_of_all_nodes(
    redis_server: RedisProcess, make_site: MakeSite, connect: Connect, join_all: Any
) -> None:
    one, two = sites = [make_site([join_all], redis_url=redis_server.url) for _ in range(2)]
    _, ada = enter(one, connect, "ada", "room")
    _, bob = enter(two, connect, "bob", "room")
    names = [site.server.node.broker.node_name for site in sites]
    listed = [{"id": ada, "subject": "ada", "node": names[0]},
              {"id": bob, "subject": "bob", "node": names[1]}]  # fmt: skip
    until(lambda: all(members(site, "room").json["count"] == 2 for site in sites))
    for site in sites:
        found = members(site, "room").json["members"]
        assert sorted(found, key=lambda each: str(each["subject"])) == listed


def test_while_redis_is_away_the_answer_is_503(
    start_redis: StartRedis, make_site: MakeSite, connect: Connect, join_all: Any
) -> None:
    process = start_redis()
    site = make_site([join_all], redis_url=process.url)
    store: Any = site.server.tokens.store
    until(lambda: store.following)
    enter(site, connect, "ada", "room")
    process.kill()
    answer = members(site, "room")
    assert answer.refusal == (503, "temporarily_unavailable")
    assert answer.headers["retry-after"] == "2"
    process.start()
    until(lambda: members(site, "room").status == 200)
    assert members(site, "room").json["count"] == 1


@pytest.mark.parametrize("group", ["a" * 256, "a\tb", "\x00"])
def test_an_invalid_group_name_is_a_bad_request(group: str, site: Site) -> None:
    assert members(site, group).refusal == (400, "invalid_request")


@pytest.mark.parametrize("group", ["%FF", "%ED%A0%80", "room%C3"])
def test_a_group_name_that_is_not_utf8_is_a_bad_request(group: str, make_site: MakeSite) -> None:
    site = make_site([])
    answer = site.get(f"/fws/groups/{group}", Authorization=bearer(site.token("eve", "*")))
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
