"""POST /fws/publish: a message from a program to a group or to all connections."""

from __future__ import annotations

from flask import Response, request

from ..errors import GroupNameInvalid
from ..protocol.names import checked_group
from .answers import answer, refuse, refuse_bearer, unavailable
from .identity import form, need_scope
from .service import service

PUBLISH_SCOPE = "publish"


def publish() -> Response:
    """Send the field `data` as text to the group in `group`, or to all connections without it.

    The token needs the scope publish and the group; a message to all needs the group `*`.
    """
    fields = form()
    asking = need_scope(PUBLISH_SCOPE, fields)
    group = request.form.get("group")
    if group == "":  # perhaps a missing name: the message is not for all
        refuse(400, "invalid_request", "group is empty; leave it out to send to all connections")
    try:
        if group is not None:
            checked_group(group)
    except GroupNameInvalid as error:
        refuse(400, "invalid_request", str(error))
    if not asking.covers(group):
        what = "a message to all needs the group *" if group is None else "the group is not granted"
        refuse_bearer(403, "insufficient_scope", what)
    data = request.form.get("data")  # it may be empty
    if data is None:
        refuse(400, "invalid_request", "data is missing")
    node = service().node
    if request.environ.get("wsgi.multiprocess") and not node.broker.shared:
        unavailable("only one worker's clients can be reached: run one worker, or add Redis")
    node.broadcast(data, group)
    return answer({})
