"""The rate of requests for tokens."""

from __future__ import annotations

import pytest

from .conftest import MakeSite
from .sites import FORM, Answer, Site, basic, bearer, login

pytestmark = pytest.mark.usefixtures("no_time_passes")


def test_the_endpoints_answer_with_retry_after(make_site: MakeSite) -> None:
    site = make_site(token_rate=2)
    token = site.token()
    assert site.post("/fws/token").status == 400
    assert site.post("/fws/ticket", Authorization=bearer(token)).status == 200
    for path in ("token", "ticket"):
        answer = site.post(f"/fws/{path}", Authorization=bearer(token))
        assert answer.refusal == (429, "slow_down")
        assert 1 <= int(answer.headers["retry-after"]) <= 30
    # The others count wrong secrets alone.
    for path in ("revoke", "introspect"):
        answer = site.post(f"/fws/{path}", {"token": "x"}, Authorization=bearer(token))
        assert answer.status == 200


@pytest.mark.parametrize("path", ["revoke", "introspect", "publish", "groups/room:a"])
def test_wrong_secrets_are_counted_over_all_endpoints(path: str, make_site: MakeSite) -> None:
    site = make_site(token_rate=2, trusted_proxies=["127.0.0.1"])
    method = "GET" if path.startswith("groups") else "POST"

    def ask(authorization: str, address: str = "192.0.2.1") -> Answer:
        headers = {"Authorization": authorization, "X-Forwarded-For": address,
                   "Content-Type": FORM}  # fmt: skip
        body = b"token=x&data=x&group=room:a" if method == "POST" else None
        return site.ask(method, f"/fws/{path}", body, headers)

    for _ in range(5):
        assert ask(login()).status == 200  # the right one is not counted
    assert [ask(basic("billing", "wrong")).status for _ in range(3)] == [401, 401, 429]
    assert ask(login()).refusal == (429, "slow_down")  # or guesses would be as quick as ever
    assert 1 <= int(ask(login()).headers["retry-after"]) <= 30
    assert ask(login(), "192.0.2.2").status == 200


def test_without_a_limit_all_requests_are_answered(make_site: MakeSite) -> None:
    site = make_site(token_rate=0)
    assert {site.post("/fws/token").status for _ in range(70)} == {400}


def test_sixty_a_minute_are_the_default(site: Site) -> None:
    assert [site.post("/fws/token").status for _ in range(61)] == [400] * 60 + [429]


def test_behind_a_trusted_proxy_the_clients_address_is_counted(make_site: MakeSite) -> None:
    site = make_site(token_rate=1, trusted_proxies=["127.0.0.1"])
    ask = [site.post("/fws/token", X_Forwarded_For=each).status
           for each in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "evil, 192.0.2.2")]  # fmt: skip
    assert ask == [400, 400, 429, 429]


def test_an_address_is_counted_once_in_all_spellings(make_site: MakeSite) -> None:
    site = make_site(token_rate=1, trusted_proxies=["127.0.0.1"])
    ask = [site.post("/fws/token", X_Forwarded_For=each).status
           for each in ("192.0.2.1:1", "::ffff:192.0.2.1", "192.0.2.2:1", "[2001:db8::1]:1",
                        "2001:db8::2", "2001:db8:0:1::1")]  # fmt: skip
    assert ask == [400, 429, 400, 400, 429, 400]


def test_without_a_trusted_proxy_the_header_is_ignored(make_site: MakeSite) -> None:
    site = make_site(token_rate=1)
    ask = [site.post("/fws/token", X_Forwarded_For=each).status for each in ("192.0.2.1", "::1")]
    assert ask == [400, 429]
