"""POST /fws/publish: a message from any program to all clients, or to a group."""

from __future__ import annotations

from flask import Response, request

from ..errors import GroupNameInvalid
from ..protocol.names import checked_group
from .answers import answer, refuse, refuse_bearer, unavailable
from .identity import form, need_scope
from .service import service

PUBLISH_SCOPE = "publish"


def publish() -> Response:
    """Send the form's `data` as text to `group`, or to everybody without one.

    Needs the scope publish, and the group among those of the token; everybody needs `*`.
    """
    fields = form()
    asking = need_scope(PUBLISH_SCOPE, fields)
    group = request.form.get("group")
    if group == "":  # it may be a name that was forgotten: not what everybody should get
        refuse(400, "invalid_request", "group is empty; without it, data is for everybody")
    try:
        if group is not None:
            checked_group(group)
    except GroupNameInvalid as error:
        refuse(400, "invalid_request", str(error))
    if not asking.covers(group):
        what = "everybody needs the group *" if group is None else "the group is not granted"
        refuse_bearer(403, "insufficient_scope", what)
    data = request.form.get("data")  # an empty message is one
    if data is None:
        refuse(400, "invalid_request", "data is missing")
    server = service().server
    if request.environ.get("wsgi.multiprocess") and not server.storage_object.shared:
        unavailable("this would reach one worker's clients: run one worker, or add Redis")
    server.broadcast(data, group)
    return answer({})
