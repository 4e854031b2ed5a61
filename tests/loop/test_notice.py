"""A state that is reported once."""

from __future__ import annotations

from fws_gevent.loop.notice import Notice


def test_a_state_begins_once_until_it_is_over() -> None:
    notice = Notice()
    assert [notice.begins(), notice.begins(), notice.begins()] == [True, False, False]
    notice.is_over()
    assert [notice.begins(), notice.begins()] == [True, False]
