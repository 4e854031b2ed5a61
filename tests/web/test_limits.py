"""How often a client may ask for tokens."""

from __future__ import annotations

import pytest

from fws_gevent.web import limits
from fws_gevent.web.limits import RateLimiter

from .conftest import MakeSite
from .sites import Site, bearer


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    standing = Clock()
    monkeypatch.setattr(limits, "monotonic", standing)
    return standing


def waits(limiter: RateLimiter, client: str, count: int) -> list[int]:
    return [limiter.wait(client) for _ in range(count)]


def test_as_many_at_once_as_in_a_minute_then_one_at_a_time(clock: Clock) -> None:
    limiter = RateLimiter(6)
    assert waits(limiter, "a", 8) == [0] * 6 + [10, 10]
    clock.now += 4
    assert limiter.wait("a") == 6
    clock.now += 6
    assert waits(limiter, "a", 2) == [0, 10]


def test_after_the_seconds_that_it_said_it_lets_in(clock: Clock) -> None:
    limiter = RateLimiter(7)
    waits(limiter, "a", 7)
    clock.now += limiter.wait("a")
    assert limiter.wait("a") == 0


def test_to_be_refused_costs_nothing(clock: Clock) -> None:
    limiter = RateLimiter(60)
    waits(limiter, "a", 100)
    clock.now += 1
    assert limiter.wait("a") == 0


def test_who_was_silent_for_long_has_no_more_than_a_minutes_worth(clock: Clock) -> None:
    limiter = RateLimiter(3)
    limiter.wait("a")
    clock.now += 86400
    assert waits(limiter, "a", 4) == [0, 0, 0, 20]


def test_each_client_is_counted_alone(clock: Clock) -> None:
    limiter = RateLimiter(1)
    assert [limiter.wait(each) for each in "aba"] == [0, 0, 60]


def test_zero_is_no_bound(clock: Clock) -> None:
    assert set(waits(RateLimiter(0), "a", 1000)) == {0}


def test_who_asked_longest_ago_is_forgotten_first(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REMEMBERED", 2)
    limiter = RateLimiter(1)
    for each in "abac":  # forgets b
        limiter.wait(each)
    assert limiter.wait("a") > 0
    assert limiter.wait("b") == 0


def test_the_endpoints_say_when_to_come_again(make_site: MakeSite) -> None:
    site = make_site(token_rate=2)
    token = site.token()
    assert site.post("/fws/token").status == 400
    assert site.post("/fws/ticket", Authorization=bearer(token)).status == 200
    for path in ("token", "ticket"):
        answer = site.post(f"/fws/{path}", Authorization=bearer(token))
        assert answer.refusal == (429, "slow_down")
        assert 1 <= int(answer.headers["retry-after"]) <= 30
    # The others take a proof that can't be guessed.
    for path in ("revoke", "introspect"):
        answer = site.post(f"/fws/{path}", {"token": "x"}, Authorization=bearer(token))
        assert answer.status == 200


def test_without_a_bound_nobody_is_refused(make_site: MakeSite) -> None:
    site = make_site(token_rate=0)
    assert {site.post("/fws/token").status for _ in range(70)} == {400}


def test_sixty_a_minute_are_the_default(site: Site) -> None:
    assert [site.post("/fws/token").status for _ in range(61)] == [400] * 60 + [429]


def test_behind_a_trusted_proxy_the_clients_address_counts(make_site: MakeSite) -> None:
    site = make_site(token_rate=1, trusted_proxies=["127.0.0.1"])
    ask = [site.post("/fws/token", X_Forwarded_For=each).status
           for each in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "evil, 192.0.2.2")]  # fmt: skip
    assert ask == [400, 400, 429, 429]


def test_without_one_whatever_the_header_says_is_the_same_client(make_site: MakeSite) -> None:
    site = make_site(token_rate=1)
    ask = [site.post("/fws/token", X_Forwarded_For=each).status for each in ("192.0.2.1", "::1")]
    assert ask == [400, 429]
