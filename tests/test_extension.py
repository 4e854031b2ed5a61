"""The Flask extension: its settings, and several applications in one process."""

from __future__ import annotations

import gc
from typing import Any
from weakref import ref

import pytest
from flask import Flask

from fws_gevent.errors import ConfigurationError
from fws_gevent.extension import FilteredWebSocket, extension_of
from fws_gevent.filters.base import WebSocketMessageFilter

from .conftest import Connect
from .flask_sites import Make, flask_app, serving
from .node.guarded import Script, greeted

run = pytest.fixture(serving)


# Settings.


def test_app_config_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FWS_GRACE", "7")
    monkeypatch.setenv("FWS_MAX_QUEUE", "1000")
    fws = FilteredWebSocket(flask_app(grace=3.0), filters=[])
    assert (fws.server.settings.grace, fws.server.settings.max_queue) == (3.0, 1000)


def test_the_path_is_ws_unless_something_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert FilteredWebSocket(flask_app(), filters=[]).server.settings.path == "/ws"
    monkeypatch.setenv("FWS_PATH", "/environment")
    assert FilteredWebSocket(flask_app(), filters=[]).server.settings.path == "/environment"
    fws = FilteredWebSocket(flask_app(path="/config"), filters=[])
    assert fws.server.settings.path == "/config"


@pytest.mark.parametrize("where", ["app.config", "environment"])
def test_an_unknown_setting_is_refused_by_name(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = flask_app()
    if where == "environment":
        monkeypatch.setenv("FWS_PROT", "1")
    else:
        app.config["FWS_PROT"] = 1
    with pytest.raises(ConfigurationError, match=rf"FWS_PROT in .*{where}; .*FWS_PORT\?$"):
        FilteredWebSocket(app)


@pytest.mark.parametrize(
    ("name", "wrong", "says"),
    [
        ("auth", "perhaps", "FWS_AUTH in app.config must"),
        ("grace", "3", "FWS_GRACE in app.config must"),
        ("filters", ["no_such_filters"], "no_such_filters"),
        ("redis_url", "http://localhost", "redis"),
        ("token_clients", "/no/such/file", "/no/such/file"),
    ],
)
def test_an_invalid_setting_is_reported_in_one_line(name: str, wrong: Any, says: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        FilteredWebSocket(flask_app(**{name: wrong}), filters=[])
    assert says in str(told.value)
    assert "\n" not in str(told.value)


# Several applications.


def test_one_extension_may_serve_several_applications() -> None:
    fws = FilteredWebSocket(filters=[])
    one, two = flask_app("one", grace=1.0), flask_app("two", grace=2.0)
    for app in (one, two):
        fws.init_app(app)
        assert app.extensions["fws"] is fws
        assert extension_of(app) is fws
    with one.app_context():
        assert fws.server.settings.grace == 1.0
    with two.app_context():
        assert fws.server.settings.grace == 2.0
        first = fws.tokens
    with one.app_context():
        assert fws.tokens is not first


def test_outside_of_all_contexts_the_error_asks_for_an_application() -> None:
    fws = FilteredWebSocket(filters=[])
    for use in (lambda: fws.server, lambda: fws.broadcast("x"), lambda: fws.issue_token("ada")):
        with pytest.raises(RuntimeError, match=r"init_app\(app\).*app_context\(\)"):
            use()
    fws.init_app(flask_app("one"))
    only = fws.server  # the only one needs no context
    with flask_app("stranger").app_context():
        assert fws.server is only
    fws.init_app(flask_app("two"))
    with pytest.raises(RuntimeError, match=r"app_context\(\)"):
        _ = fws.server


def test_an_unused_application_is_freed() -> None:
    fws = FilteredWebSocket(filters=[])
    kept = flask_app("kept")
    fws.init_app(kept)
    apps = [flask_app(f"app {number}") for number in range(3)]
    for app in apps:
        fws.init_app(app)
    gone = [ref(app) for app in apps]
    apps.clear()
    del app
    gc.collect()
    assert [each() for each in gone] == [None] * 3
    assert fws._web is kept.extensions["fws"]._web


def test_the_hook_may_be_registered_before_or_after_the_applications() -> None:
    fws = FilteredWebSocket(filters=[])
    before, after = flask_app("before"), flask_app("after")
    fws.init_app(before)
    who = fws.token_for_request(lambda: "ada")
    fws.init_app(after)
    for app in (before, after):
        with app.app_context():
            assert fws._web.hooks.for_request is who


def test_an_application_has_one_extension() -> None:
    app = flask_app("chat")
    fws = FilteredWebSocket(app, filters=[])
    for again in (lambda: fws.init_app(app), lambda: FilteredWebSocket(app)):
        with pytest.raises(ConfigurationError, match=r"^chat has a FilteredWebSocket already$"):
            again()


def test_an_application_without_it_has_none() -> None:
    assert extension_of(Flask("x")) is None
    assert extension_of(object()) is None
    assert extension_of(None) is None


class Shout(WebSocketMessageFilter):
    @classmethod
    def filter(cls, web_socket_instance: Any, data: Any = None) -> None:
        web_socket_instance.broadcast(data.text.upper(), include_self=True)


@pytest.mark.parametrize("extensions", [1, 2])
def test_two_applications_in_one_process_share_nothing(
    extensions: int, run: Make, connect: Connect
) -> None:
    apps = [flask_app("one"), flask_app("two")]
    if extensions == 1:
        fws = FilteredWebSocket(filters=[Shout])
        for app in apps:
            fws.init_app(app)
    else:
        for app, chain in zip(apps, (Shout, Script), strict=True):
            FilteredWebSocket(app, filters=[chain])
    one, two = (run(app) for app in apps)
    clients = [greeted(connect(server, "/ws")) for server in (one, two)]
    assert one is not two
    assert not set(one.users) & set(two.users)
    assert one.storage_object is not two.storage_object
    clients[0].send("hello")
    assert clients[0].receive() == "HELLO"
    with apps[1].app_context():
        found = extension_of(apps[1])
        assert found is not None
        assert found.server is two.node
        found.broadcast("to two")
    assert clients[1].receive() == "to two"
    clients[1].send("x")
    assert clients[1].receive() == ("X" if extensions == 1 else "x")
    greeted(clients[0])
