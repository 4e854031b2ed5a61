"""GET /fws/groups/<group>: the members of a group, on all nodes."""

from __future__ import annotations

from flask import Response, request

from ..errors import GroupNameInvalid
from ..protocol.names import checked_group
from .admin import SCOPE
from .answers import answer, refuse, refuse_bearer, unavailable
from .identity import identity
from .service import service

LISTED = 1000
"""Members that an answer lists at most; `count` is their number."""


def group(group: str) -> Response:
    """Answer with the members of a group that the token or program is granted.

    The group of a subject needs that subject, or the scope status and a pattern that covers it.
    """
    try:  # Flask has replaced bytes that are not UTF-8, which makes another name
        request.environ["PATH_INFO"].encode("latin-1").decode()
    except UnicodeDecodeError:
        refuse(400, "invalid_request", "the group must be UTF-8")
    asking = identity({})
    if not (asking.may_join(group) or (SCOPE in asking.scope and asking.covers(group))):
        refuse_bearer(403, "insufficient_scope", "a token that grants the group is needed")
    if request.environ.get("wsgi.multiprocess") and not service().node.broker.shared:
        unavailable("only one worker's members are known here: run one worker, or add Redis")
    try:
        members = service().node.members(checked_group(group))
    except GroupNameInvalid as error:
        refuse(400, "invalid_request", str(error))
    listed = [
        {"id": each.id, "subject": each.subject, "node": each.node} for each in members[:LISTED]
    ]
    return answer({"group": group, "count": len(members), "members": listed})
