"""The OAuth clients that may request tokens."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from fws_gevent.errors import ConfigurationError
from fws_gevent.tokens.clients import TokenClient, TokenClients, new_secret

SECRET = "the-secret-itself"
HASH = "sha256:" + hashlib.sha256(SECRET.encode()).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "clients.json"


def complaint(file: Path, content: bytes) -> str:
    """Return the one line with which a file with this content is refused."""
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        TokenClients.from_file(str(file))
    told = str(caught.value)
    assert "\n" not in told
    assert f"token_clients {file}" in told
    return told


def test_a_file_has_clients_with_their_rights(file: Path) -> None:
    entry = {"secret": HASH, "groups": ["room:*", "news"], "scope": "publish  admin publish"}
    file.write_text(json.dumps({"app": entry, "other": {"secret": new_secret()[1]}}))
    clients = TokenClients.from_file(str(file))
    app = TokenClient("app", ("room:*", "news"), "publish admin")
    assert clients.authenticate("app", SECRET) == app


def test_a_client_without_groups_and_scope_may_ask_for_none() -> None:
    clients = TokenClients({"app": {"secret": HASH}})
    assert clients.authenticate("app", SECRET) == TokenClient("app", (), "")


def test_a_new_secret_fits_its_hash_and_is_another_each_time() -> None:
    (first, hashed), (second, _) = new_secret(), new_secret()
    assert first != second
    assert len(first) >= 43
    clients = TokenClients({"app": {"secret": hashed}})
    assert clients.authenticate("app", first) is not None
    assert clients.authenticate("app", second) is None


def test_a_hash_in_capitals_is_the_same() -> None:
    clients = TokenClients({"app": {"secret": "sha256:" + HASH[7:].upper()}})
    assert clients.authenticate("app", SECRET) is not None


@pytest.mark.parametrize(
    ("client_id", "secret"),
    [
        ("app", ""),
        ("app", "the-secret-itsel"),
        ("app", SECRET.upper()),
        ("app", SECRET + " "),
        ("app", HASH),
        ("app", HASH[7:]),
        ("app", "\udcff\x00ü"),
        ("other", SECRET),
        ("", SECRET),
        ("App", SECRET),
        ("nobody", SECRET),
        ("nobody", ""),
        ("\udcff", "\udcff"),
    ],
)
def test_a_wrong_secret_and_an_unknown_id_are_refused(client_id: str, secret: str) -> None:
    entries = {"app": {"secret": HASH}, "other": {"secret": new_secret()[1]}}
    assert TokenClients(entries).authenticate(client_id, secret) is None


def test_without_a_file_there_are_no_clients() -> None:
    assert TokenClients.from_file(None).authenticate("app", SECRET) is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b'{"app": "\xff"}', "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"app": {}, "app": {}}', "'app' is there twice"),
        (b'{"app": {"scope": "", "scope": "status"}}', "'scope' is there twice"),
        (b"[]", "must be an object of objects"),
        (b"null", "must be an object of objects"),
        (b'{"app": "secret"}', "must be an object of objects"),
        (b'{"app": {}, "b": []}', "must be an object of objects"),
    ],
)
def test_a_wrong_file_is_refused_by_its_name(file: Path, content: bytes, says: str) -> None:
    assert says in complaint(file, content)


def test_a_file_that_can_not_be_read_is_refused_by_its_name(file: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        TokenClients.from_file(str(file))
    assert str(caught.value) == f"can't read token_clients {file}: No such file or directory"
    with pytest.raises(ConfigurationError, match="Is a directory"):
        TokenClients.from_file(str(file.parent))


@pytest.mark.parametrize(
    "secret",
    [
        ...,
        None,
        "",
        5,
        SECRET,
        HASH[7:],
        "sha256:",
        HASH[:-1],
        HASH + "0",
        HASH + "\n",
        "sha256:" + "g" * 64,
        "sha256:" + "ü" * 64,
        "SHA256:" + HASH[7:],
        "sha512:" + HASH[7:],
    ],
)
def test_a_secret_that_is_not_a_hash_is_refused_and_not_shown(file: Path, secret: Any) -> None:
    entry = {} if secret is ... else {"secret": secret}
    told = complaint(file, json.dumps({"app": entry}).encode())
    assert told.endswith(": 'app': secret must be a hash, as `flask fws client` prints it")
    assert not isinstance(secret, str) or not secret or secret not in told


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"groups": "room"}, "groups must be a list of texts"),
        ({"groups": None}, "groups must be a list of texts"),
        ({"groups": [5]}, "groups must be a list of texts"),
        ({"scope": ["publish"]}, "scope must be a text"),
        ({"scope": None}, "scope must be a text"),
        ({"group": []}, "unknown key 'group'"),
        ({"b": 1, "a": 1}, "unknown key 'a'"),
        ({"Secret": HASH}, "unknown key 'Secret'"),
    ],
)
def test_a_wrong_entry_is_refused_by_its_client(
    file: Path, entry: dict[str, Any], says: str
) -> None:
    content = {"good": {"secret": HASH}, "app": {"secret": HASH} | entry}
    told = complaint(file, json.dumps(content).encode())
    assert told.endswith(f": 'app': {says}")
    assert HASH not in told


def test_a_client_of_any_name_is_told_in_one_line(file: Path) -> None:
    assert r"'a\nb': secret" in complaint(file, b'{"a\\nb": {}}')


def test_clients_do_not_show_their_secrets() -> None:
    clients = TokenClients({"app": {"secret": HASH}})
    app = clients.authenticate("app", SECRET)
    for each in (clients, app):
        assert HASH[7:] not in repr(each) + str(each)
        assert SECRET not in repr(each) + str(each)


@pytest.mark.parametrize(
    ("client_id", "groups"),
    [("app", [""]), ("app", ["a\nb"]), ("app", ["a" * 256]), ("a" * 248, []), ("", [])],
)
def test_a_client_without_valid_claims_is_refused(
    file: Path, client_id: str, groups: list[str]
) -> None:
    content = json.dumps({client_id: {"secret": HASH, "groups": groups}})
    assert "a group's name" in complaint(file, content.encode()) or not client_id
