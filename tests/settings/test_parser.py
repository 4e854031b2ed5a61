"""The command line sets options, and reports a mistake in one line."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from dataclasses import Field
from pathlib import Path
from typing import Any

import pytest

from fws_gevent.settings import Settings, by_name, default_of, table
from fws_gevent.settings.parser import default_parser
from fws_gevent.settings.precedence import layers_of
from tests.clients import ROOT

SECRETS = {
    "signing_key": "0123456789abcdef0123456789abcdef",
    "admin_password": f"scrypt:64:1:2$salt${'0123456789abcdef' * 8}",
}
"""The settings without a flag, with values."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fws.json"
    path.write_text(json.dumps({"port": 2, "filters": ["from.file"], "deflate": "off"}))
    return path


def parse(*arguments: str) -> Namespace:
    return default_parser().parse_args(arguments)


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the line by which these arguments are refused."""
    with pytest.raises(SystemExit) as caught:
        parse(*arguments)
    assert caught.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.endswith("\n")
    assert told.err.count("\n") == 1
    assert "Traceback" not in told.err
    return told.err


def test_without_flags_each_setting_has_its_default() -> None:
    assert Settings.from_options(parse()) == Settings()


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["-p", "1"], "port", 1),
        (["-p1"], "port", 1),
        (["--port", "1"], "port", 1),
        (["--port=1"], "port", 1),
        (["-token", "t"], "token", "t"),
        (["-f", "a", "b.c"], "filters", ("a", "b.c")),
        (["--filters", "a"], "filters", ("a",)),
        (["-f"], "filters", ()),
        (["--redis_channels", "a", "b"], "redis_channels", ("a", "b")),
        (["--ping_interval", "0.5"], "ping_interval", 0.5),
        (["--deflate", "OFF"], "deflate", "off"),
        (["--host", "unix:/run/fws.sock"], "host", "unix:/run/fws.sock"),
    ],
)
def test_a_flag_sets_its_setting(arguments: list[str], name: str, value: object) -> None:
    assert getattr(Settings.from_options(parse(*arguments)), name) == value


@pytest.mark.parametrize(
    "arguments",
    [["-key", "k.pem", "-cert", "c.pem"], ["-cert", "c.pem", "-key", "k.pem"]],
)
def test_key_and_certificate_are_flags_of_their_own(arguments: list[str]) -> None:
    options = parse(*arguments)
    assert (options.key, options.cert, options.config) == ("k.pem", "c.pem", None)


def test_key_and_certificate_go_beside_a_configuration_file(file: Path) -> None:
    options = parse("-c", str(file), "-key", "k.pem", "-cert", "c.pem")
    assert (options.port, options.cert) == (2, "c.pem")


WITH_FLAG = [setting for setting in table() if setting.metadata["flag"]]
TEXTS = {"path": "/ws"}
"""Values for the settings without a default that don't take any text."""


@pytest.mark.parametrize("setting", WITH_FLAG, ids=lambda setting: setting.name)
def test_every_setting_has_a_flag_and_help_tells_it(setting: Field[Any]) -> None:
    shown = default_parser().format_help()
    many, default = setting.metadata["many"], default_of(setting)
    value = TEXTS.get(setting.name, "text") if default is None else default
    for flag in setting.metadata["flags"] or (f"--{setting.name}",):
        assert f"{flag} " in shown
        given = parse(flag) if many else parse(flag, str(value))
        assert getattr(given, setting.name) == (() if many else value)


def test_the_help_has_the_sections_of_the_documentation() -> None:
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    headings = [each.lower() for each in re.findall(r"^## (?!Settings)(.*)$", page, re.MULTILINE)]
    shown = re.findall(r"^([\w ]+):$", default_parser().format_help(), re.MULTILINE)
    assert [each.lower() for each in shown] == ["options", *headings]


def test_the_settings_without_a_flag_are_these() -> None:
    without = {setting.name for setting in table() if not setting.metadata["flag"]}
    assert without == {"signing_key", "admin_password"}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_has_no_flag(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"--{name} " not in default_parser().format_help()
    for arguments in ((f"--{name}", SECRETS[name]), (f"--{name}={SECRETS[name]}",)):
        said = complaint(capsys, *arguments)
        assert f"{name} is not a flag" in said
        assert SECRETS[name] not in said


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_comes_from_the_file_and_from_the_environment(
    name: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert getattr(Settings.from_options(parse()), name) is None
    monkeypatch.setenv(f"FWS_{name.upper()}", SECRETS[name])
    assert getattr(Settings.from_options(parse()), name) == SECRETS[name]
    other = SECRETS[name].replace("01", "10")
    file.write_text(json.dumps({name: other}))
    assert getattr(Settings.from_options(parse("-c", str(file))), name) == other


def test_a_wrong_secret_is_not_shown(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text('{"admin_password": "the-password-itself"}')
    told = complaint(capsys, "-c", str(file))
    monkeypatch.setenv("FWS_ADMIN_PASSWORD", "the-password-itself")
    told += complaint(capsys)
    assert told.count("must be a hash") == 2
    assert "the-password-itself" not in told


def test_the_flag_wins_over_the_file_that_over_the_environment_that_over_the_default(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert parse().port == 9000
    monkeypatch.setenv("FWS_PORT", "1")
    monkeypatch.setenv("FWS_GRACE", "3")
    assert parse().port == 1
    assert parse("-c", str(file)).port == 2
    assert parse("-c", str(file), "-p", "3").port == 3
    assert parse("-p", "3").port == 3
    assert parse("-c", str(file)).grace == 3.0


def test_a_flag_that_repeats_the_default_still_wins(file: Path) -> None:
    options = parse("--config", str(file), "--port", "9000", "--deflate", "on", "-f")
    assert Settings.from_options(options) == Settings()


def given_by_flags(options: Namespace) -> set[str]:
    """Return the names of the settings that no other source may change."""
    return set(layers_of(by_name(), options).program)


def test_values_of_flags_are_told_from_all_others(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FWS_GRACE", "3")
    assert given_by_flags(parse("-c", str(file))) == set()
    repeats_defaults = ["-p", "9000", "--auth", "off", "--token_rate", "60", "--host=127.0.0.1"]
    options = parse("-c", str(file), *repeats_defaults)
    assert given_by_flags(options) == {"port", "auth", "token_rate", "host"}
    assert (options.grace, options.deflate) == (3.0, "off")


def test_options_of_an_earlier_parse_stay_values_of_flags() -> None:
    options = default_parser().parse_args(["-p", "9000"])
    default_parser().parse_args(["--grace", "1"], options)
    assert given_by_flags(options) == {"port", "grace"}


def test_a_program_may_set_other_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = default_parser()
    parser.set_defaults(port=9100, grace=1.0)
    monkeypatch.setenv("FWS_GRACE", "3")
    options = parser.parse_args([])
    assert (options.port, options.grace) == (9100, 3.0)
    assert given_by_flags(options) == set()


def test_a_default_of_none_is_one_that_is_not_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parser = default_parser()
    parser.set_defaults(**dict.fromkeys(by_name()))
    monkeypatch.setenv("FWS_GRACE", "3")
    options = parser.parse_args(["--token_rate", "7"])
    own = {each.name: default_of(each) for each in table()}
    assert {name: getattr(options, name) for name in own} == own | {"grace": 3.0, "token_rate": 7}
    assert given_by_flags(options) == {"token_rate"}
    assert Settings.from_options(options) == Settings(grace=3.0, token_rate=7)


def test_an_empty_variable_is_one_that_is_not_set(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting in table():
        monkeypatch.setenv(f"FWS_{setting.name.upper()}", "")
    monkeypatch.setenv("FWS_CONFIG", " ")
    assert Settings.from_options(parse()) == Settings()
    monkeypatch.setenv("FWS_CONFIG", str(file))
    assert parse().port == 2


def test_a_list_from_a_higher_source_replaces_the_lower_ones(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FWS_FILTERS", "from.environment,too")
    assert tuple(parse().filters) == ("from.environment", "too")
    assert tuple(parse("-c", str(file)).filters) == ("from.file",)
    assert tuple(parse("-c", str(file), "-f", "a", "b").filters) == ("a", "b")


@pytest.mark.parametrize("form", [["-c", "{}"], ["-c{}"], ["--config", "{}"], ["--config={}"]])
def test_the_file_may_be_named_in_every_form_of_its_flag(file: Path, form: list[str]) -> None:
    assert parse("-f", "a", *(part.format(file) for part in form)).port == 2


def test_the_environment_may_name_the_file_and_the_flag_wins(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"port": 5}')
    monkeypatch.setenv("FWS_CONFIG", str(file))
    assert parse().port == 2
    assert parse("-c", str(other)).port == 5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--prot", "1"], "--prot"),
        (["--por", "1"], "--por"),
        (["extra"], "extra"),
        (["--port", "many"], "must be a whole number, not 'many'"),
        (["--port", "65536"], "must be 0 to 65535, not '65536'"),
        (["--max_queue", "0"], "--max_queue"),
        (["--deflate", "perhaps"], "--deflate"),
        (["--allowed_origins", "example.com"], "--allowed_origins"),
        (["--trusted_proxies", "a\nb"], "--trusted_proxies"),
        (["--port"], "--port"),
        (["-c"], "--config"),
        (["-c", ""], "the name of the configuration file is empty"),
        (["--host", ""], "--host: must be an address"),
        (["-token", ""], "-token: must be the name of a group"),
        (["-f", "a", ""], "-f/--filters: must be a non-empty string"),
        (["-c", "/nowhere/fws.json"], "/nowhere/fws.json"),
    ],
)
def test_a_wrong_argument_is_refused_by_name_in_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in complaint(capsys, *arguments)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"prot": 1}', "unknown setting 'prot'"),
        ('{"port": "1"}', "must be a number"),
        ('{\n"port": 1\n', "is not JSON"),
    ],
)
def test_a_wrong_file_is_refused_by_name_in_one_line(
    file: Path, content: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(content)
    told = complaint(capsys, "-c", str(file))
    assert says in told
    assert str(file) in told


@pytest.mark.parametrize(
    ("name", "text"), [("FWS_PORT", "many"), ("FWS_PROT", "1"), ("FWS_CONFIG", "/nowhere")]
)
def test_a_wrong_variable_is_refused_by_name_in_one_line(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, text)
    assert (name if name != "FWS_CONFIG" else text) in complaint(capsys)


def test_a_program_may_add_options_of_its_own(file: Path) -> None:
    parser = default_parser()
    parser.add_argument("--colour", default="red")
    options = parser.parse_args(["-c", str(file), "--colour", "blue"])
    assert (options.colour, options.port) == ("blue", 2)
    assert Settings.from_options(options).port == 2


def test_values_that_a_program_set_beforehand_give_way_to_flags_alone(file: Path) -> None:
    parser = default_parser()
    arguments = ["-c", str(file), "--grace", "1"]
    options = parser.parse_args(arguments, Namespace(port=7, grace=5.0))
    assert (options.port, options.grace, options.deflate) == (7, 1.0, "off")


def test_a_program_may_add_commands_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FWS_GRACE", "3")
    parser = default_parser()
    parser.add_subparsers(dest="command").add_parser("chat").add_argument("--room")
    options = parser.parse_args(["-p", "1", "chat", "--room", "tea"])
    assert (options.command, options.room) == ("chat", "tea")
    assert Settings.from_options(options, {"FWS_PORT": 2}) == Settings(port=1, grace=3.0)


def test_a_program_may_mix_flags_and_arguments() -> None:
    parser = default_parser()
    parser.add_argument("rooms", nargs="*")
    options = parser.parse_intermixed_args(["tea", "-p", "1", "coffee"])
    assert (options.rooms, options.port) == (["tea", "coffee"], 1)
    assert given_by_flags(options) == {"port"}
