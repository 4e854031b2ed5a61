"""The Flask application with the extension is found behind any middleware."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from functools import partial, wraps
from typing import Any

import pytest
from flask import Flask, current_app
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.middleware.shared_data import SharedDataMiddleware

from fws_gevent.application import build_application
from fws_gevent.errors import ConfigurationError
from fws_gevent.extension import FilteredWebSocket
from fws_gevent.server import build_server, default_parser
from fws_gevent.startup.wrapped import flask_app_in

from ..flask_sites import flask_app
from ..tokens.issuing import SECRET

Application = Callable[..., Iterable[bytes]]


def with_extension(name: str = "site") -> Flask:
    """Return an application that requires tokens."""
    app = flask_app(name, auth="required", signing_key=SECRET)
    FilteredWebSocket(app)
    return app


class Slotted:
    __slots__ = ("inner",)

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self.inner(environ, start_response)


def closure(inner: Application) -> Application:
    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def call() -> Iterable[bytes]:
            return inner(environ, start_response)

        return call()

    return application


def decorated(inner: Any) -> Application:
    @wraps(inner.wsgi_app)
    def application(*arguments: Any) -> Iterable[bytes]:
        raise AssertionError

    return application


def weak(inner: Any) -> Application:
    reference: Any = weakref.ref(inner)
    return lambda environ, start_response: reference()(environ, start_response)


def behind_another_flask_application(inner: Any) -> Flask:
    front = Flask("front")
    front.wsgi_app = DispatcherMiddleware(front.wsgi_app, {"/api": inner})  # type: ignore[method-assign]
    return front


def mounted(inner: Any) -> Application:
    return DispatcherMiddleware(Flask("front"), {"/chat": inner})


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda app: app,
    "its wsgi_app": lambda app: app.wsgi_app,
    "ProxyFix": ProxyFix,
    "ProxyFix around wsgi_app": lambda app: ProxyFix(app.wsgi_app),
    "mounted": mounted,
    "SharedDataMiddleware": lambda app: SharedDataMiddleware(app, {"/static": "."}),
    "slots": Slotted,
    "a closure": closure,
    "a bound method": lambda app: Slotted(app).__call__,
    "partial": lambda app: partial(closure(app)),
    "a decorated function": decorated,
    "a weak reference": weak,
    "another Flask application": behind_another_flask_application,
    "several layers": lambda app: closure(ProxyFix(Slotted(mounted(closure(app))))),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_it_is_found_and_its_settings_hold(wrapper: str) -> None:
    app = with_extension()
    application = WRAPPERS[wrapper](app)
    assert flask_app_in(application) is app
    for parser in (default_parser(), default_parser(application)):
        server = build_server(parser.parse_args(["-p", "0"]), application=application)
        assert (server.settings.auth, server.settings.path) == ("required", "/ws")
        assert server.application is application


def plain(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    return [str(environ).encode()]


served_by_name = with_extension("named")


def by_name(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    return served_by_name(environ, start_response)


class ByName:
    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return served_by_name(environ, start_response)


@pytest.mark.parametrize("application", [by_name, ByName(), closure(by_name)])
def test_a_global_variable_by_which_it_is_called_leads_to_it(application: Application) -> None:
    assert flask_app_in(application) is served_by_name


@pytest.mark.parametrize("application", [None, object(), Flask("plain"), closure(plain), str])
def test_an_application_that_leads_to_none_has_none(application: object) -> None:
    assert flask_app_in(application) is None


@pytest.mark.parametrize("wrapper", ["nothing", "ProxyFix", "a closure"])
def test_it_is_not_served_by_an_application_that_lacks_its_settings(wrapper: str) -> None:
    application = WRAPPERS[wrapper](with_extension())
    with pytest.raises(ConfigurationError, match="site has a FilteredWebSocket") as caught:
        build_application(application)
    assert "\n" not in str(caught.value)


def test_a_node_of_this_package_is_not_looked_into() -> None:
    node = vars(with_extension().wsgi_app)["_node"]
    assert node.application
    assert flask_app_in(node) is None


def of_the_present_one(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    assert current_app
    return served_by_name(environ, start_response)


def test_a_proxy_is_not_looked_into() -> None:
    assert flask_app_in(of_the_present_one) is served_by_name
    with served_by_name.app_context():
        assert flask_app_in(of_the_present_one) is served_by_name


def test_several_of_them_are_refused_in_one_line() -> None:
    application = DispatcherMiddleware(with_extension("a"), {"/b": with_extension("b")})
    with pytest.raises(ConfigurationError, match=r"2 Flask applications .*\(a, b\)") as caught:
        build_server(default_parser().parse_args(["-p", "0"]), application=application)
    assert "\n" not in str(caught.value)
