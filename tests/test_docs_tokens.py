"""The figures of docs/tokens.md and docs/security.md are those of the code."""

from __future__ import annotations

from fws_gevent.tokens import store
from fws_gevent.tokens.claims import group_of
from fws_gevent.tokens.service import SUBJECT_REVOKED_FOR
from fws_gevent.web import admin, service

from .clients import ROOT

TOKENS, SECURITY = (
    " ".join((ROOT / "docs" / name).read_text("utf-8").split())
    for name in ("tokens.md", "security.md")
)


def test_the_bounds_of_one_subject_are_those_of_the_code() -> None:
    for figure in (
        f"for each subject {store.TICKETS_EACH:,} unused tickets",
        f"{store.REFRESH_EACH} unused refresh tokens",
        f"the last {store.SPENT_EACH} used ones",
        f"revocation of more than {store.REVOKED_EACH} tokens and families",
        f"covers all tokens issued to it so far, for {SUBJECT_REVOKED_FOR // 86400} days",
    ):
        assert figure in TOKENS, figure


def test_the_longest_subject_is_as_long_as_it_says() -> None:
    assert "`sub` has 247 bytes at most" in TOKENS
    assert len(group_of("x" * 247)) == 255


def test_the_status_pages_figures_are_those_of_the_code() -> None:
    assert f"Its cookie lasts {admin.SESSION // 3600} hours" in SECURITY
    assert f"for the status page after {service.LOG_INS} attempts a minute and address" in SECURITY
