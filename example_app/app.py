"""The Flask application: log-in, pages, and announcements to all WebSockets.

Read the files in this order: this one; rooms.py, the rooms and their members; filters.py, the
handling of messages; static/connection.js, the WebSocket in the browser; static/chat.js, the
page.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Mapping
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from werkzeug.wrappers import Response as AnyResponse

from fws_gevent import CloseCode, FilteredWebSocket, PublishFailed, TokenGrant, signals

from . import filters  # noqa: F401 - the import adds the filters to their chains
from .rooms import ROOMS, STAFF, group_of, rooms_for, to_json

SIGNING_KEYS = ("FWS_SIGNING_KEY", "FWS_SIGNING_KEY_FILES")
LONGEST_NAME = 40
LONGEST_ANNOUNCEMENT = 200

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",  # assigning innerHTML in a script fails
        "trusted-types 'none'",
    )
)

_log = logging.getLogger(
    "fws_gevent.example"
)  # below fws_gevent, so that it is shown like the server's lines
_arrivals = count(1)

fws = FilteredWebSocket()
chat = Blueprint("chat", __name__)


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Return the application. `config` overrides the values here. Raises ConfigurationError."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ.get("SECRET_KEY"),
        SESSION_COOKIE_SAMESITE="Lax",
        # If the site uses TLS only, add SESSION_COOKIE_SECURE=True.
        MAX_CONTENT_LENGTH=64 * 1024,
        FWS_AUTH="required",
    )
    app.config.update(config or {})
    random = _make_up_secrets(app)
    app.register_blueprint(chat)
    fws.init_app(app)
    signals.client_connected.connect(log_arrival)
    if random:
        _log.warning(
            "%s not set: random values are used, and log-ins end with this process",
            " and ".join(random),
        )
    if "FWS_SIGNING_KEY" in random and fws.server.settings.admin_password is None:
        _log.warning("/fws/status is closed: set FWS_ADMIN_PASSWORD, see flask fws hash")
    return app


def _make_up_secrets(app: Flask) -> list[str]:
    """Set missing secrets to random values; return their names.

    This works for one process only: several workers would have different secrets, and would refuse
    each other's log-ins.
    """
    random = []
    if not app.config["SECRET_KEY"]:
        app.config["SECRET_KEY"] = secrets.token_hex(32)
        random.append("SECRET_KEY")
    given = any(app.config.get(name) or os.environ.get(name) for name in SIGNING_KEYS)
    if not given and _is_under_gunicorn():  # fws_server makes its own on loopback
        app.config["FWS_SIGNING_KEY"] = secrets.token_hex(32)
        random.append("FWS_SIGNING_KEY")
    return random


def _is_under_gunicorn() -> bool:
    return os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn/")


# Log-in.


@fws.token_for_request
def current_user() -> TokenGrant | None:
    """Return the logged-in user and the groups of their rooms, for POST /fws/token."""
    name = session.get("name")
    if name is None:
        return None
    return TokenGrant(subject=name, groups=[group_of(room) for room in rooms_for(name)])


@chat.before_request
def refuse_other_sites() -> None:
    """Refuse forms from pages of other sites: they would be sent with the user's cookie."""
    origin = request.headers.get("Origin")  # browsers send it with every POST
    if request.method == "POST" and origin is not None and urlsplit(origin).netloc != request.host:
        abort(403)


@chat.get("/login")
def log_in() -> AnyResponse | str:
    """Show the form that asks for a name."""
    return _log_in_page() if "name" not in session else redirect(url_for("chat.page"), 303)


@chat.post("/login")
def log_in_as() -> AnyResponse | tuple[str, int]:
    """Accept the name. A real application would ask for a password here."""
    name = " ".join(request.form.get("name", "").split())
    if not name:
        return _log_in_page("Please enter a name."), 400
    if len(name) > LONGEST_NAME or not name.isprintable():
        return _log_in_page(f"A name has up to {LONGEST_NAME} visible characters."), 400
    session.clear()
    session["name"] = name
    return redirect(url_for("chat.page"), 303)


@chat.post("/logout")
def log_out() -> AnyResponse:
    """Log out, and end the chat in the user's other windows too.

    After code 4401 they ask for a new token, which a logged-out user doesn't get. A copied token
    stays valid until it expires; `fws.revoke(subject=name)` would end it at once.
    """
    name = session.pop("name", None)
    if name is not None:
        fws.disconnect(subject=name, code=CloseCode.UNAUTHENTICATED, reason="logged out")
    return redirect(url_for("chat.log_in"), 303)


def _log_in_page(error: str | None = None) -> str:
    return render_template("login.html", error=error, staff=STAFF, longest_name=LONGEST_NAME)


# The chat.


@chat.get("/")
def page() -> AnyResponse | str:
    """Show the chat to a logged-in user."""
    name = session.get("name")
    if name is None:
        return redirect(url_for("chat.log_in"), 303)
    return render_template(
        "chat.html",
        name=name,
        rooms=ROOMS,
        longest_announcement=LONGEST_ANNOUNCEMENT,
        socket_path=request.script_root + str(fws.server.settings.path),
    )


@chat.post("/announce")
def announce() -> tuple[str, int]:
    """Send an announcement to all windows: any view may send to the WebSockets."""
    name = session.get("name")
    if name is None:
        return "Log in first.", 401
    text = request.form.get("text", "").strip()
    if not text or len(text) > LONGEST_ANNOUNCEMENT:
        return f"An announcement has 1 to {LONGEST_ANNOUNCEMENT} characters.", 400
    try:
        fws.broadcast(to_json("announcement", name=name, text=text))
    except PublishFailed:
        return "Not sent: the server can't reach its storage. Try again.", 503
    return "", 204


@chat.after_app_request
def protect(response: Response) -> Response:
    """Add headers that keep browsers from loading anything from other sites."""
    for name, value in (
        ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
        ("X-Content-Type-Options", "nosniff"),
        # "no-referrer" would also remove the Origin, which `refuse_other_sites` checks.
        ("Referrer-Policy", "same-origin"),
    ):
        response.headers.setdefault(name, value)  # the pages under /fws/ have their own headers
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response


# A subscriber: any code may listen on the buses of the server.


def log_arrival(server: Any, web_socket_instance: Any, data: Any) -> None:  # noqa: ARG001 - the names are those of the event
    """Log each new connection with a number."""
    _log.info("arrival %d: %s", next(_arrivals), web_socket_instance.token.subject)
