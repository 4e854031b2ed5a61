"""The pages under /fws/, beside applications of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import gevent
import pytest
from flask import Flask

from fws_gevent.server import FilteredWebSocketServer
from fws_gevent.settings import Settings
from fws_gevent.web.blueprint import make_blueprint
from fws_gevent.web.site import with_pages

from .sites import Site, ask

POSTS = {"token", "ticket", "revoke", "introspect", "publish", "login", "logout"}
GETS = {"status", "healthz", "readyz", "metrics"}


def test_these_are_the_pages_and_their_methods() -> None:
    app = Flask("pages")
    app.register_blueprint(make_blueprint())
    rules = {rule.rule: (rule.methods or set()) - {"OPTIONS", "HEAD"}
             for rule in app.url_map.iter_rules() if rule.rule.startswith("/fws/")}  # fmt: skip
    assert rules == {
        **{f"/fws/{name}": {"POST"} for name in POSTS},
        **{f"/fws/{name}": {"GET"} for name in (*GETS, "static/<path:filename>")},
        "/fws/groups/<fws_group:group>": {"GET"},
    }


@pytest.mark.parametrize("name", sorted(GETS))
def test_pages_are_only_read(name: str, site: Site) -> None:
    assert site.post(f"/fws/{name}").status == 405


@pytest.mark.parametrize("name", sorted(POSTS))
def test_changes_need_post(name: str, site: Site) -> None:
    assert site.get(f"/fws/{name}").status == 405


@pytest.mark.parametrize("path", ["/fws", "/fws/", "/fws/nothing", "/fws/status/", "/fws/../x"])
def test_there_is_nothing_else(path: str, site: Site) -> None:
    assert site.get(path).status == 404


@pytest.mark.parametrize("name", ["status.js", "charts.js", "status.css", "icon.svg"])
def test_the_pages_have_their_files(name: str, site: Site) -> None:
    answer = site.get(f"/fws/static/{name}")
    assert answer.status == 200
    kind = {"js": "javascript", "ss": "css", "vg": "svg"}[name[-2:]]
    assert kind in answer.headers["content-type"]


@pytest.mark.parametrize("path", ["../blueprint.py", "%2e%2e/blueprint.py", "login.html"])
def test_no_other_files_are_served(path: str, site: Site) -> None:
    assert site.get(f"/fws/static/{path}").status == 404


def test_two_applications_have_their_own(make_site: Callable[..., Site]) -> None:
    first, second = make_site(), make_site()
    token = first.token("ada", scope="introspect")
    first.fws.revoke(token=token)
    for site, expected in ((first, 401), (second, 200)):
        answer = site.post("/fws/introspect", {"token": "x"}, Authorization=f"Bearer {token}")
        assert answer.status == expected


def plain(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"plain {environ['PATH_INFO']}".encode()]


def test_any_wsgi_application_gets_them_beside_its_own() -> None:
    server = FilteredWebSocketServer(Settings(port=0))
    server.application, _ = with_pages(plain, server.node)
    server.start()
    try:
        port = int(server.server_port or 0)
        assert ask(port, "GET", "/fws/healthz").body == b"ok\n"
        assert ask(port, "GET", "/fws/nothing").status == 404
        for path in ("/", "/fws", "/fwsx", "/healthz"):
            assert ask(port, "GET", path).body == b"plain " + path.encode()
        assert ask(port, "POST", "/fws/token").status == 400
    finally:
        with gevent.Timeout(20):
            server.stop(timeout=0.2)
