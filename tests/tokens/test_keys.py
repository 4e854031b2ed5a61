"""The keys of a ring: valid files, and those refused at the start."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from fws_gevent.errors import ConfigurationError
from fws_gevent.settings import Settings
from fws_gevent.tokens.keys import Key, KeyRing

from .issuing import KEYS_OF, OTHER_SECRET, SECRET, private, private_pem, public_pem, written


def ring(algorithm: str, *files: str, secret: str | None = None) -> KeyRing | None:
    return KeyRing.from_settings(
        Settings(signing_key=secret, signing_algorithm=algorithm, signing_key_files=files)
    )


def complaint(algorithm: str, *files: str, secret: str | None = None) -> str:
    """Return the one line with which these keys are refused, and which shows none of them."""
    with pytest.raises(ConfigurationError) as caught:
        ring(algorithm, *files, secret=secret)
    told = str(caught.value)
    assert "\n" not in told
    assert "BEGIN" not in told
    assert SECRET not in told
    assert secret is None or len(secret) < 4 or secret not in told
    return told


UNSUPPORTED_CURVE = b"""\
-----BEGIN PRIVATE KEY-----
ME4CAQAwEAYHKoZIzj0CAQYFK4EEAAYENzA1AgEBBA5ayYYWd5bLQloJkfH5aaEg
Ax4ABB4SIF1Al7l1ceVLG76VTXwdr2nyJ2IrmjP6N/4=
-----END PRIVATE KEY-----
"""
"""A key on the curve secp112r1, which cryptography does not support."""


def test_without_keys_there_is_no_ring() -> None:
    assert KeyRing.from_settings(Settings()) is None


def test_a_secret_signs_and_checks() -> None:
    made = ring("HS256", secret=SECRET)
    assert made is not None
    assert made.algorithm == "HS256"
    assert made.lasting
    assert made.first.kid == "default"
    assert made.first.signing == made.first.verifying == SECRET.encode()


def test_the_secret_goes_before_the_files_and_these_stay_in_order(tmp_path: Path) -> None:
    files = written(tmp_path, b=OTHER_SECRET.encode(), a=SECRET.encode())
    made = ring("HS256", *files, secret=SECRET)
    assert made is not None
    assert made.first.kid == "default"
    with_files = ring("HS256", *files)
    assert with_files is not None
    assert with_files.first.kid == "b"


def test_a_key_is_found_by_its_kid_and_the_first_one_without(tmp_path: Path) -> None:
    made = ring("HS256", *written(tmp_path, b=OTHER_SECRET.encode(), a=SECRET.encode()))
    assert made is not None
    assert made.get(None) is made.first
    assert made.get("b") is made.first
    found = made.get("a")
    assert found is not None
    assert found.verifying == SECRET.encode()
    for kid in ("", "A", "default", "../a"):
        assert made.get(kid) is None


@pytest.mark.parametrize("content", [SECRET + "\n", f"\n{SECRET} \r\n", SECRET])
def test_white_space_around_the_secret_in_a_file_is_ignored(tmp_path: Path, content: str) -> None:
    made = ring("HS256", *written(tmp_path, a=content.encode()))
    assert made is not None
    assert made.first.signing == SECRET.encode()


def test_a_secret_in_a_file_may_be_any_bytes(tmp_path: Path) -> None:
    made = ring("HS256", *written(tmp_path, a=b"\xff" * 32))
    assert made is not None
    assert made.first.signing == b"\xff" * 32


@pytest.mark.parametrize("algorithm", KEYS_OF)
def test_a_private_key_signs_and_its_public_half_checks(tmp_path: Path, algorithm: str) -> None:
    kind = KEYS_OF[algorithm]
    both = ring(algorithm, *written(tmp_path, both=private_pem(kind)))
    public = ring(algorithm, *written(tmp_path, public=public_pem(kind)))
    assert both is not None
    assert public is not None
    token = jwt.encode({"a": 1}, both.first.signing, algorithm)
    for each in (both, public):
        assert jwt.decode(token, each.first.verifying, [algorithm]) == {"a": 1}
        assert not hasattr(each.first.verifying, "private_bytes")
    assert public.first.signing is None


def test_a_key_in_the_older_format_of_its_kind_is_one_too(tmp_path: Path) -> None:
    pem, older = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
    for algorithm, kind in (("RS256", "rsa"), ("ES256", "p256")):
        content = private(kind).private_bytes(pem, older, serialization.NoEncryption())
        made = ring(algorithm, *written(tmp_path, old=content))
        assert made is not None
        assert made.first.signing is not None


@pytest.mark.parametrize("half", [private_pem, public_pem], ids=["private", "public"])
@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        (algorithm, kind)
        for algorithm, fitting in KEYS_OF.items()
        for kind in ("rsa", "short rsa", "p256", "p384", "ed25519", "ed448")
        if kind != fitting
    ],
)
def test_a_key_of_another_kind_or_too_weak_is_refused_by_its_file(
    tmp_path: Path, algorithm: str, kind: str, half: object
) -> None:
    content = private_pem(kind) if half is private_pem else public_pem(kind)
    (file,) = written(tmp_path, a=content)
    told = complaint(algorithm, file)
    assert str(tmp_path / "a") in told
    if (algorithm, kind) == ("RS256", "short rsa"):
        assert "2048 bits" in told
    else:
        assert algorithm in told


@pytest.mark.parametrize("algorithm", KEYS_OF)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        SECRET.encode(),
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        b"ssh-dss AAAA",
        b"ssh-rsa AAAA",
        b"ecdsa-sha2-nistp999 AAAA",
        UNSUPPORTED_CURVE,
    ],
)
def test_a_file_without_a_key_is_refused_by_its_name(
    tmp_path: Path, algorithm: str, content: bytes
) -> None:
    (file,) = written(tmp_path, a=content)
    assert complaint(algorithm, file) == f"{tmp_path / 'a'} is not a PEM key for {algorithm}"


@pytest.mark.parametrize("algorithm", KEYS_OF)
def test_a_key_behind_a_password_is_refused(tmp_path: Path, algorithm: str) -> None:
    (file,) = written(tmp_path, a=private_pem(KEYS_OF[algorithm], b"password"))
    assert "is not a PEM key for" in complaint(algorithm, file)


@pytest.mark.parametrize("algorithm", ["HS256", *KEYS_OF])
def test_a_file_that_can_not_be_read_is_refused_by_its_name(tmp_path: Path, algorithm: str) -> None:
    missing = f"can't read signing key {tmp_path / 'none'}: No such file or directory"
    assert complaint(algorithm, f"a={tmp_path / 'none'}") == missing
    assert complaint(algorithm, f"a={tmp_path}").endswith("Is a directory")


@pytest.mark.parametrize("secret", ["", "s", "s" * 31, "\u00fc" * 15])
def test_a_short_secret_is_refused(tmp_path: Path, secret: str) -> None:
    assert complaint("HS256", secret=secret) == (
        "signing_key: a secret for HS256 has 32 bytes or more"
    )
    (file,) = written(tmp_path, a=secret.encode() + b" " * 32)
    assert "32 bytes or more" in complaint("HS256", file)


def test_the_bytes_of_a_secret_count() -> None:
    made = ring("HS256", secret="\u00fc" * 16)
    assert made is not None
    assert made.first.signing == ("\u00fc" * 16).encode()


def test_a_secret_that_is_not_utf8_is_refused() -> None:
    assert complaint("HS256", secret="\udcff" * 32) == "signing_key: the secret is not UTF-8"


@pytest.mark.parametrize("kind", ["rsa", "p256", "ed25519"])
@pytest.mark.parametrize("before", [b"", b"\n", b"Bag Attributes\n"])
def test_a_pem_file_is_not_a_secret(tmp_path: Path, kind: str, before: bytes) -> None:
    for content in (before + private_pem(kind), before + public_pem(kind)):
        (file,) = written(tmp_path, a=content)
        assert "not a secret for HS256" in complaint("HS256", file)
        assert "not a secret for HS256" in complaint("HS256", secret=content.decode())


@pytest.mark.parametrize(
    "secret", ["ssh-rsa " + "A" * 64, '{"kty": "oct", "k": "' + "A" * 43 + '"}']
)
def test_a_key_in_another_format_is_not_a_secret(secret: str) -> None:
    assert "not a secret for HS256" in complaint("HS256", secret=secret)


@pytest.mark.parametrize("algorithm", KEYS_OF)
def test_a_secret_is_for_hs256_alone(tmp_path: Path, algorithm: str) -> None:
    files = written(tmp_path, a=private_pem(KEYS_OF[algorithm]))
    assert "signing_key is a secret for HS256" in complaint(algorithm, *files, secret=SECRET)


def test_a_kid_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    (file,) = written(tmp_path, default=OTHER_SECRET.encode())
    assert complaint("HS256", file, file) == "signing_key_files: default is repeated"
    assert complaint("HS256", file, secret=SECRET) == "signing_key_files: default is repeated"


def test_a_ring_for_this_run_is_random_and_does_not_last() -> None:
    first, second = KeyRing.for_this_run(), KeyRing.for_this_run()
    assert not first.lasting
    assert first.algorithm == "HS256"
    assert len(first.first.signing) == 32
    assert first.first.signing != second.first.signing


def test_neither_a_key_nor_a_ring_nor_the_settings_show_a_secret() -> None:
    given = Settings(signing_key=SECRET)
    made = KeyRing.from_settings(given)
    assert made is not None
    for each in (Key("a", SECRET, SECRET), made.first, made, given):
        for text in (repr(each), str(each), f"{each}", repr([each])):
            assert SECRET not in text
