"""Numbers and words in settings keep their bounds."""

from __future__ import annotations

from typing import Any

import pytest

from fws_gevent.settings.values import (
    Parse,
    answer_time,
    lifetime,
    one_of,
    seconds,
    whole,
)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (whole(1), "1", 1),
        (whole(-2, 2), "-2", -2),
        (whole(0, 2), "2", 2),
        (seconds, "0", 0.0),
        (seconds, "0.25", 0.25),
        (seconds, "1e3", 1000.0),
        (lifetime, "1", 1.0),
        (answer_time, "0.01", 0.01),
        (one_of("on", "off"), "OFF", "off"),
        (one_of("HS256", "EdDSA"), "eddsa", "EdDSA"),
        (one_of("HS256", "EdDSA"), "EDDSA", "EdDSA"),
        (one_of("HS256", "EdDSA"), "hs256", "HS256"),
    ],
)
def test_a_text_that_fits_is_converted(parse: Parse, text: str, value: Any) -> None:
    result = parse(text)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("parse", "text", "says"),
    [
        (whole(1), "0", "must be 1 or more"),
        (whole(0, 2), "3", "must be 0 to 2"),
        (whole(0, 2), "-1", "must be 0 to 2"),
        (whole(0), "1.0", "must be a whole number"),
        (whole(0), "9" * 5000, "must be a whole number"),
        (seconds, "-0.1", "must be a number of seconds, 0 or more"),
        (seconds, "nan", "must be a number of seconds, 0 or more"),
        (seconds, "inf", "must be a number of seconds, 0 or more"),
        (seconds, "1e9", "must be a number of seconds, 0 or more"),
        (seconds, "soon", "must be a number of seconds"),
        (lifetime, "0.9", "must be 1 second or more"),
        (answer_time, "0.009", "must be 0.01 seconds or more"),
        (answer_time, "nan", "must be a number of seconds"),
        (lifetime, "nan", "must be a number of seconds"),
        (one_of("HS256", "EdDSA"), "none", "must be one of HS256, EdDSA"),
        (one_of("on", "off"), "", "must be one of on, off"),
        (one_of("on", "off"), "on ", "must be one of on, off"),
    ],
)
def test_a_text_that_does_not_fit_is_refused_and_told_why(
    parse: Parse, text: str, says: str
) -> None:
    with pytest.raises(ValueError, match=r"^must ") as caught:
        parse(text)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize("parse", [one_of("a"), lifetime, answer_time])
def test_a_complaint_does_not_repeat_the_text(parse: Parse) -> None:
    with pytest.raises(ValueError, match=r"^must ") as caught:
        parse("the-secret-itself")
    assert "the-secret-itself" not in str(caught.value)
