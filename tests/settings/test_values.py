"""What a value of a setting may be."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.security import generate_password_hash

from fws_gevent.settings.values import (
    Parse,
    key_file,
    lifetime,
    one_of,
    origin,
    password_hash,
    proxy,
    seconds,
    url_path,
    whole,
)

PBKDF2 = generate_password_hash("x", method="pbkdf2:sha256:1")
SCRYPT = generate_password_hash("x", method="scrypt")


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
        (one_of("on", "off"), "OFF", "off"),
        (one_of("HS256", "EdDSA"), "eddsa", "EdDSA"),
        (one_of("HS256", "EdDSA"), "EDDSA", "EdDSA"),
        (one_of("HS256", "EdDSA"), "hs256", "HS256"),
        (origin, "*", "*"),
        (origin, "null", "null"),
        (origin, "HTTPS://A.example:443", "https://a.example"),
        (proxy, "unix", "unix"),
        (proxy, "10.1.2.3/8", "10.1.2.3/8"),
        (url_path, "/", "/"),
        (url_path, "/a/b", "/a/b"),
        (key_file, "2026=keys/2026.pem", "2026=keys/2026.pem"),
        (key_file, "a=b=c", "a=b=c"),
        (password_hash, PBKDF2, PBKDF2),
        (password_hash, SCRYPT, SCRYPT),
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
        (lifetime, "nan", "must be a number of seconds"),
        (one_of("HS256", "EdDSA"), "none", "must be one of HS256, EdDSA"),
        (one_of("on", "off"), "", "must be one of on, off"),
        (one_of("on", "off"), "on ", "must be one of on, off"),
        (origin, "a.example", "must look like https://app.example.com"),
        (proxy, "a.example", "must be an address"),
        (url_path, "", "must be a path such as /ws"),
        (url_path, "ws", "must be a path such as /ws"),
        (url_path, "http://a.example/ws", "must be a path such as /ws"),
        (url_path, "/ws?a", "must be a path such as /ws"),
        (url_path, "/ws#a", "must be a path such as /ws"),
        (key_file, "a.pem", "must look like KID=FILE"),
        (key_file, "=a.pem", "must look like KID=FILE"),
        (key_file, "a=", "must look like KID=FILE"),
        (password_hash, "", "must be a hash"),
        (password_hash, "password", "must be a hash"),
        (password_hash, "md5$salt$hash", "must be a hash"),
        (password_hash, "scrypt:salt$hash", "must be a hash"),
        (password_hash, "scrypt:x$y$z", "must be a hash"),
        (password_hash, "scrypt:2:1:1$a$b$c", "must be a hash"),
    ],
)
def test_a_text_that_does_not_fit_is_refused_and_told_why(
    parse: Parse, text: str, says: str
) -> None:
    with pytest.raises(ValueError, match=r"^must ") as caught:
        parse(text)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize("parse", [url_path, key_file, password_hash, one_of("a"), lifetime])
def test_a_complaint_does_not_repeat_the_text(parse: Parse) -> None:
    with pytest.raises(ValueError, match=r"^must ") as caught:
        parse("the-secret-itself")
    assert "the-secret-itself" not in str(caught.value)
