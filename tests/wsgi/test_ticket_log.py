"""gunicorn's access log has no ticket of a request."""

from __future__ import annotations

import pytest

from fws_gevent.wsgi.ticket_log import hide_ticket, keep_tickets_from_the_log, without_ticket


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ""),
        ("a=b&c", "a=b&c"),
        ("ticket=secret", "ticket=-"),
        ("a=b&ticket=secret&c=d&ticket=other", "a=b&ticket=-&c=d&ticket=-"),
        ("%74icke%74=secret", "ticket=-"),
        ("ticket", "ticket=-"),
        ("tickets=few&a=ticket", "tickets=few&a=ticket"),
    ],
)
def test_a_ticket_is_hidden_however_its_name_is_written(query: str, shown: str) -> None:
    assert hide_ticket(query) == shown
    target = f"/path?{query}" if query else "/path"
    assert without_ticket(target) == (f"/path?{shown}" if query else "/path")


def test_the_application_gets_the_ticket_and_the_log_does_not() -> None:
    environ = {"QUERY_STRING": "ticket=secret", "RAW_URI": "/?ticket=secret"}
    private = keep_tickets_from_the_log(environ)
    assert private == {"QUERY_STRING": "ticket=secret", "RAW_URI": "/?ticket=secret"}
    assert environ == {"QUERY_STRING": "ticket=-", "RAW_URI": "/?ticket=-"}


def test_a_ticket_in_the_referer_is_hidden_too() -> None:
    page = "https://example.com/?ticket=secret"
    environ = {"QUERY_STRING": "", "RAW_URI": "/", "HTTP_REFERER": page}
    assert keep_tickets_from_the_log(environ)["HTTP_REFERER"] == page
    assert environ["HTTP_REFERER"] == "https://example.com/?ticket=-"


def test_without_a_ticket_they_share_the_environ() -> None:
    environ = {"QUERY_STRING": "a=b", "RAW_URI": "/?a=b"}
    assert keep_tickets_from_the_log(environ) is environ
