"""POST /fws/publish: a message from any program to all clients, or to a group."""

from __future__ import annotations

from flask import Response, request

from ..errors import GroupNameInvalid
from .answers import answer, refuse, unavailable
from .identity import form, need_scope
from .service import service

PUBLISH_SCOPE = "publish"


def publish() -> Response:
    """Send the form's `data` as text to everybody, or to `group`; needs the scope publish."""
    fields = form()
    need_scope(PUBLISH_SCOPE, fields)
    data = request.form.get("data")  # an empty message is one
    if data is None:
        refuse(400, "invalid_request", "data is missing")
    server = service().server
    if request.environ.get("wsgi.multiprocess") and not server.storage_object.shared:
        unavailable("this would reach one worker's clients: run one worker, or add Redis")
    try:
        server.broadcast(data, fields.get("group"))
    except GroupNameInvalid as error:
        refuse(400, "invalid_request", str(error))
    return answer({})
