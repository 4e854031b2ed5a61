"""The Flask blueprint of all pages under /fws/."""

from __future__ import annotations

from flask import Blueprint, Response
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.routing import BaseConverter

from ..errors import StorageAway
from . import groups, health, oauth, publish, status
from .answers import answer

PREFIX = "/fws"


def make_blueprint() -> Blueprint:
    """Return a blueprint for one application that has the extension."""
    made = Blueprint(
        "fws", __name__, url_prefix=PREFIX, template_folder="templates", static_folder="static"
    )
    for path, view in (
        ("/token", oauth.token),
        ("/ticket", oauth.ticket),
        ("/revoke", oauth.revoke),
        ("/introspect", oauth.introspect),
        ("/publish", publish.publish),
        ("/login", status.log_in),
        ("/logout", status.log_out),
    ):
        made.add_url_rule(path, view_func=view, methods=["POST"])
    for path, view in (
        ("/status", status.status),
        ("/healthz", health.healthz),
        ("/readyz", health.readyz),
        ("/metrics", health.metrics),
    ):
        made.add_url_rule(path, view_func=view, methods=["GET"])
    made.register_error_handler(RequestEntityTooLarge, _too_large)
    made.record_once(_know_groups)
    made.add_url_rule("/groups/<fws_group:group>", view_func=groups.group, methods=["GET"])
    made.register_error_handler(StorageAway, _away)
    return made


class _GroupConverter(BaseConverter):
    """The rest of a path as the name of a group, which may begin with a slash and have others."""

    part_isolating = False
    regex = ".+"
    weight = 200


def _know_groups(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["fws_group"] = _GroupConverter


def _away(error: StorageAway) -> Response:
    what = {"error": "temporarily_unavailable", "error_description": str(error)}
    return answer(what, 503, Retry_After="2")


def _too_large(error: HTTPException) -> Response:  # noqa: ARG001 - Flask hands it over
    description = "the body is too large"
    return answer({"error": "invalid_request", "error_description": description}, 413)
