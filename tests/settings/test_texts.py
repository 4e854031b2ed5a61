"""A text in a setting has the form of its use."""

from __future__ import annotations

import pytest
from werkzeug.security import generate_password_hash

from fws_gevent.settings.texts import (
    channel,
    file_name,
    group,
    host_name,
    key_file,
    key_prefix,
    listening_host,
    origin,
    password_hash,
    proxy,
    secret,
    subprotocol,
    text,
    url_path,
)
from fws_gevent.settings.values import Parse

PBKDF2 = generate_password_hash("x", method="pbkdf2:sha256:1")
SCRYPT = generate_password_hash("x", method="scrypt:64:1:2")


@pytest.mark.parametrize(
    ("parse", "value"),
    [
        (text, "fws"),
        (text, "gespr\u00e4ch"),
        (secret, "any text\n\udcff"),
        (file_name, "keys/\udce4 2026.pem"),
        (group, "\u00e4" * 127),
        (listening_host, "127.0.0.1"),
        (listening_host, "0.0.0.0"),
        (listening_host, "::"),
        (listening_host, "fe80::1%eth0"),
        (listening_host, "localhost"),
        (listening_host, "chat-1.example.com."),
        (listening_host, "b\u00fccher.example"),
        (listening_host, "unix:/run/fws.sock"),
        (listening_host, "unix:fws.sock"),
        (host_name, "redis"),
        (host_name, "redis_1.internal"),
        (origin, "*"),
        (origin, "null"),
        (origin, "https://app.example.com"),
        (origin, "http://localhost:8080"),
        (origin, "http://127.0.0.1:9000"),
        (origin, "http://[::1]:9000"),
        (origin, "https://xn--bcher-kva.example"),
        (origin, "app://page"),
        (origin, "file://"),
        (origin, "moz-extension://0b1c2d3e-0000-4000-8000-000000000000"),
        (proxy, "unix"),
        (proxy, "10.1.2.3/8"),
        (proxy, "::1"),
        (url_path, "/"),
        (url_path, "/a/b"),
        (url_path, "/fws"),
        (url_path, "/my%20chat"),
        (url_path, "/my chat"),
        (url_path, "/gespr\u00e4ch"),
        (url_path, "/gespr%C3%A4ch"),
        (url_path, "/what%3F"),
        (url_path, "/a..b/.c"),
        (url_path, "/" + "a" * 3999),
        (subprotocol, "chat"),
        (subprotocol, "v2.chat+json"),
        (subprotocol, "fws"),
        (key_prefix, "fws"),
        (key_prefix, "fws:chat-1"),
        (channel, "global"),
        (channel, "news.*"),
        (channel, "h[ae]llo"),
        (channel, "h[^e]llo"),
        (channel, r"h\[]llo"),
        (channel, "h[a[]"),
        (channel, "h[ab"),
        (key_file, "2026=keys/2026.pem"),
        (key_file, "a=b=c"),
        (password_hash, PBKDF2),
        (password_hash, SCRYPT),
    ],
)
def test_a_text_that_can_work_is_taken_as_it_is(parse: Parse, value: str) -> None:
    assert parse(value) == value


@pytest.mark.parametrize(
    ("parse", "value", "normal"),
    [
        (listening_host, "[::1]", "::1"),
        (host_name, "[fe80::1%eth0]", "fe80::1%eth0"),
        (origin, "NULL", "null"),
        (origin, "HTTPS://A.example:443", "https://a.example"),
        (origin, "https://a.example/", "https://a.example"),
        (origin, "http://a.example:08080", "http://a.example:8080"),
        (origin, "http://[0:0::1]", "http://[::1]"),
    ],
)
def test_a_text_with_several_forms_is_normalized(
    parse: Parse, value: str, normal: str
) -> None:
    assert parse(value) == normal
    assert parse(normal) == normal


@pytest.mark.parametrize(
    ("parse", "value", "says"),
    [
        (listening_host, "224.0.0.1", "must be an address of one machine"),
        (listening_host, "255.255.255.255", "must be an address of one machine"),
        (listening_host, "[ff02::1]", "must be an address of one machine"),
        (url_path, "/" + "a" * 4000, "must have 4000 bytes at most"),
        (url_path, "/" + "\u00e4" * 1000, "must have 4000 bytes at most"),
        (text, "", "must be a non-empty string"),
        (text, " \t", "must be a non-empty string"),
        (text, "a\nb", "must be valid Unicode without control"),
        (text, "a\x85b", "must be valid Unicode without control"),
        (text, "a\udcff", "must be valid Unicode without control"),
        (secret, "", "must be a non-empty string"),
        (secret, " \n", "must be a non-empty string"),
        (file_name, "", "must be the name of a file"),
        (file_name, "a\0b", "must be the name of a file"),
        (group, "", "must be the name of a group"),
        (group, "\u00e4" * 128, "must be the name of a group: a group's name must have 1 to 255"),
        (listening_host, "", "must be an address or the name of a host"),
        (listening_host, " ", "must be an address or the name of a host"),
        (listening_host, "127.0.0.1:9000", "must be an address or the name of a host"),
        (listening_host, "[::1]:9000", "must be an address or the name of a host"),
        (listening_host, "localhost:9000", "must be an address or the name of a host"),
        (listening_host, "http://localhost", "must be an address or the name of a host"),
        (listening_host, "*", "must be an address or the name of a host"),
        (listening_host, "-p", "must be an address or the name of a host"),
        (listening_host, "a..b", "must be an address or the name of a host"),
        (listening_host, "a b", "must be an address or the name of a host"),
        (listening_host, "a\0b", "must be an address or the name of a host"),
        (listening_host, "b\u00fc..cher", "must be an address or the name of a host"),
        (listening_host, "[127.0.0.1]", "must be an IPv6 address if it is in brackets"),
        (listening_host, "unix:", "must be the name of a file"),
        (listening_host, "unix:/" + "x" * 107, "must have a path of 107 bytes at most"),
        (host_name, "unix:/run/redis.sock", "must be an address or the name of a host"),
        (host_name, "redis:6379", "must be an address or the name of a host"),
        (host_name, "redis://redis", "must be an address or the name of a host"),
        (origin, "", "must look like https://app.example.com"),
        (origin, "a.example", "must look like https://app.example.com"),
        (origin, "https://", "must look like https://app.example.com"),
        (origin, "https:///", "must look like https://app.example.com"),
        (origin, "https://a.example//", "must look like https://app.example.com"),
        (origin, "https://a.example/chat", "must look like https://app.example.com"),
        (origin, "https://a.example/chat/", "must look like https://app.example.com"),
        (origin, "https://a.example?b", "must look like https://app.example.com"),
        (origin, "https://me@a.example", "must look like https://app.example.com"),
        (origin, "https://*.a.example", "must look like https://app.example.com"),
        (origin, "https://*", "must look like https://app.example.com"),
        (origin, "*.a.example", "must look like https://app.example.com"),
        (origin, "https://b\u00fccher.example", "must look like https://app.example.com"),
        (origin, "https://a.example:", "must look like https://app.example.com"),
        (origin, "https://a.example:0", "must look like https://app.example.com"),
        (origin, "https://a.example:65536", "must look like https://app.example.com"),
        (origin, "https://a.example:https", "must look like https://app.example.com"),
        (origin, "https://a..example", "must look like https://app.example.com"),
        (origin, "https://a.example b.example", "must look like https://app.example.com"),
        (origin, " https://a.example", "must look like https://app.example.com"),
        (origin, "https://a.example,https://b.example", "must look like https://app.example.com"),
        (origin, "wss://a.example", "must look like https://app.example.com"),
        (origin, "http://127.1", "must look like https://app.example.com"),
        (origin, "http://0x7f.0.0.1", "must look like https://app.example.com"),
        (origin, "http://[::1", "must look like https://app.example.com"),
        (origin, "http://[::1%eth0]", "must look like https://app.example.com"),
        (origin, "http://[gg::]", "must look like https://app.example.com"),
        (proxy, "", "must be an address"),
        (proxy, "a.example", "must be an address"),
        (proxy, "10.0.0.1:80", "must be an address"),
        (proxy, "fe80::1%eth0", "must be an address"),
        (proxy, "Unix", "must be an address"),
        (url_path, "", "must be a path such as /ws"),
        (url_path, "ws", "must be a path such as /ws"),
        (url_path, "http://a.example/ws", "must be a path such as /ws"),
        (url_path, "/ws?a", "must be a path such as /ws"),
        (url_path, "/ws#a", "must be a path such as /ws"),
        (url_path, "/ws ", "must be a path such as /ws"),
        (url_path, "/gespr%E4ch", "must be a path in UTF-8"),
        (url_path, "/ws%0A", "must be a path in UTF-8 without control"),
        (url_path, "/a/../ws", "must be a path without . and .."),
        (url_path, "/a/%2E%2e/ws", "must be a path without . and .."),
        (url_path, "/./ws", "must be a path without . and .."),
        (url_path, "/fws/", "must be outside of /fws/"),
        (url_path, "/fws/status/live", "must be outside of /fws/"),
        (url_path, "/%66ws/chat", "must be outside of /fws/"),
        (subprotocol, "", "must be a token"),
        (subprotocol, "my proto", "must be a token"),
        (subprotocol, "a,b", "must be a token"),
        (subprotocol, "a/1", "must be a token"),
        (subprotocol, "gespr\u00e4ch", "must be a token"),
        (subprotocol, "fws.bearer.chat", "must be a token"),
        (key_prefix, "", "must be a non-empty string"),
        (key_prefix, "my key", "must be a prefix without spaces"),
        (key_prefix, "{fws}", "must be a prefix without spaces"),
        (key_prefix, "fws*", "must be a prefix without spaces"),
        (key_prefix, "fws\n", "must be valid Unicode"),
        (channel, "", "must be a non-empty string"),
        (channel, "h[]llo", "must be a channel, or a pattern"),
        (channel, "hello[", "must be a channel, or a pattern"),
        (channel, "a\udcff", "must be valid Unicode"),
        (key_file, "a.pem", "must look like KID=FILE"),
        (key_file, "=a.pem", "must look like KID=FILE"),
        (key_file, " =a.pem", "must look like KID=FILE"),
        (key_file, "a=", "must look like KID=FILE"),
        (key_file, "a= ", "must look like KID=FILE"),
        (password_hash, "", "must be a hash"),
        (password_hash, "password", "must be a hash"),
        (password_hash, "md5$salt$hash", "must be a hash"),
        (password_hash, "scrypt:salt$hash", "must be a hash"),
        (password_hash, "scrypt:x$y$z", "must be a hash"),
        (password_hash, "scrypt:2:1:1$a$b$c", "must be a hash"),
        (password_hash, SCRYPT[:-1], "must be a hash"),
        (password_hash, PBKDF2 + "0", "must be a hash"),
        (password_hash, SCRYPT.replace(":64:1:2$", ":65:1:2$"), "must be a hash"),
        (password_hash, SCRYPT.replace(":64:1:2$", ":2:1:1$"), "must be a hash"),
        (password_hash, SCRYPT.replace(":64:1:2$", ":1048576:8:8$"), "must be a hash"),
        (password_hash, PBKDF2.replace("sha256", "sha7"), "must be a hash"),
        (password_hash, PBKDF2.replace(":1$", ":0$"), "must be a hash"),
    ],
)
def test_a_text_that_can_never_work_is_refused_and_told_why(
    parse: Parse, value: str, says: str
) -> None:
    with pytest.raises(ValueError, match=r"^must ") as caught:
        parse(value)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize("parse", [url_path, key_file, password_hash, host_name, file_name, proxy])
def test_a_complaint_does_not_repeat_the_text(parse: Parse) -> None:
    with pytest.raises(ValueError, match=r"^must ") as caught:
        parse("the secret/itself\0")
    assert "itself" not in str(caught.value)
