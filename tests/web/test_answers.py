"""Answers for programs, also in applications with error pages of their own."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException

from fws_gevent.web.answers import Refused, answer, refuse, refuse_anonymous, refuse_bearer

from .sites import Site


@pytest.fixture
def app() -> Flask:
    return Flask("answers")


def test_an_answer_is_json_and_is_not_cached(app: Flask) -> None:
    with app.test_request_context():
        made = answer({"a": [1]}, 202, Retry_After="5")
    assert (made.status_code, made.get_json()) == (202, {"a": [1]})
    assert made.content_type == "application/json"
    assert made.headers["Cache-Control"] == "no-store"
    assert made.headers["Retry-After"] == "5"


def test_a_refusal_is_raised_with_its_answer(app: Flask) -> None:
    with app.test_request_context(), pytest.raises(Refused) as caught:
        refuse(400, "invalid_request", "why", Retry_After="1")
    made = caught.value.get_response()
    assert made.status_code == 400
    assert made.headers["Retry-After"] == "1"


def test_the_bearer_challenge_has_a_reason_if_a_token_was_sent(app: Flask) -> None:
    with app.test_request_context():
        with pytest.raises(Refused) as known:
            refuse_bearer(403, "insufficient_scope", "why")
        with pytest.raises(Refused) as nobody:
            refuse_anonymous()
    challenge = 'Bearer realm="fws", error="insufficient_scope", error_description="why"'
    assert known.value.get_response().headers["WWW-Authenticate"] == challenge
    assert nobody.value.get_response().headers["WWW-Authenticate"] == 'Bearer realm="fws"'


def test_error_pages_of_the_application_do_not_replace_answers(site: Site) -> None:
    def page(error: Exception) -> tuple[str, int]:
        return "the application's own", getattr(error, "code", None) or 500

    for kind in (HTTPException, Exception, 400, 401, 413):
        site.app.register_error_handler(kind, page)
    assert site.post("/fws/token").refusal == (400, "invalid_request")
    assert site.post("/fws/revoke").refusal == (401, "invalid_token")
    assert site.post("/fws/token", {"a": "x" * 70_000}).refusal == (413, "invalid_request")
    assert site.get("/elsewhere").body == b"the application's own"
