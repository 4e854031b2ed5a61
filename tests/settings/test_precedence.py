"""The order of the sources of settings, and how often a value is converted."""

from __future__ import annotations

import copy
import json
from argparse import Namespace
from collections import Counter
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from fws_gevent.errors import ConfigurationError
from fws_gevent.settings import Settings, by_name
from fws_gevent.settings.parser import default_parser
from fws_gevent.settings.precedence import Layers, layers_of
from fws_gevent.settings.values import whole

KEY = "0123456789abcdef0123456789abcdef"
SOURCES = ["default", "environment", "file", "app.config", "flag"]


def settings_with(values: dict[str, int], file: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the settings where each of some sources gives a `token_rate`."""
    monkeypatch.delenv("FWS_TOKEN_RATE", raising=False)
    if "environment" in values:
        monkeypatch.setenv("FWS_TOKEN_RATE", str(values["environment"]))
    file.write_text(json.dumps({"token_rate": values["file"]} if "file" in values else {}))
    config = {"FWS_TOKEN_RATE": values["app.config"]} if "app.config" in values else {}
    flags = ["--token_rate", str(values["flag"])] if "flag" in values else []
    options = default_parser().parse_args(["-c", str(file), *flags])
    return Settings.from_options(options, config)


@pytest.mark.parametrize("given", list(product([False, True], repeat=4)))
def test_the_last_source_that_gives_a_value_wins(
    given: tuple[bool, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [name for name, is_given in zip(SOURCES[1:], given, strict=True) if is_given]
    values = {name: 100 + SOURCES.index(name) for name in sources}
    expected = values[sources[-1]] if sources else 60
    assert settings_with(values, tmp_path / "f.json", monkeypatch).token_rate == expected


@pytest.mark.parametrize("source", SOURCES[1:])
def test_a_source_that_repeats_the_default_wins_too(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = dict.fromkeys(SOURCES[1 : SOURCES.index(source)], 100) | {source: 60}
    assert settings_with(values, tmp_path / "f.json", monkeypatch).token_rate == 60


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the conversions of texts of `token_rate`."""
    counted: Counter[str] = Counter()
    convert = whole(0)

    def parse(text: str) -> Any:
        counted[text] += 1
        return convert(text)

    (setting,) = (each for each in fields(Settings) if each.name == "token_rate")
    original = setting.metadata
    monkeypatch.setattr(setting, "metadata", {**original, "parse": parse})
    return counted


def test_each_value_is_converted_once(
    conversions: Counter[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"environment": 1, "file": 2, "app.config": 3, "flag": 4}
    assert settings_with(values, tmp_path / "f.json", monkeypatch).token_rate == 4
    assert conversions == Counter(["60", "1", "2", "3", "4"])


def test_an_attribute_that_a_program_assigned_counts_as_a_flag() -> None:
    options = default_parser().parse_args(["--grace", "1"])
    options.grace, options.port = 7, 9100
    settings = Settings.from_options(options, {"FWS_GRACE": 2, "FWS_PORT": 2, "FWS_DEFLATE": "off"})
    assert (settings.grace, settings.port, settings.deflate) == (7.0, 9100, "off")


@pytest.mark.parametrize("flags", [[], ["--auth", "required", "--port", "90", "--grace", "1"]])
def test_an_attribute_that_is_assigned_its_own_value_counts_as_a_flag(
    flags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {"AUTH": "required", "PORT": "90", "GRACE": "1", "SIGNING_KEY": KEY}.items():
        monkeypatch.setenv(f"FWS_{name}", text)
    options = default_parser().parse_args(flags)
    for name in ("auth", "port", "grace"):
        setattr(options, name, getattr(options, name))
    config = {"FWS_AUTH": "off", "FWS_PORT": 1, "FWS_GRACE": 2, "FWS_TOKEN_RATE": 3}
    for each in (options, copy.copy(options), copy.deepcopy(options), Namespace(**vars(options))):
        settings = Settings.from_options(each, config)
        found = (settings.auth, settings.port, settings.grace, settings.token_rate)
        assert found == ("required", 90, 1.0, 3)
    assert set(layers_of(by_name(), options).program) == {"auth", "port", "grace"}


def test_what_is_assigned_to_a_copy_of_options_is_not_assigned_to_the_options() -> None:
    options = default_parser().parse_args([])
    options.grace = options.grace
    copied = copy.copy(options)
    copied.port = copied.port
    assert set(layers_of(by_name(), options).program) == {"grace"}
    assert set(layers_of(by_name(), copied).program) == {"grace", "port"}


def test_options_of_a_program_are_converted_and_none_is_not_a_value() -> None:
    layers = layers_of(by_name(), Namespace(grace=1, port=None, other="of the program"))
    assert layers.merged() == {"grace": 1.0}
    with pytest.raises(ConfigurationError, match=r"^options\.port must be a number, not '1'$"):
        layers_of(by_name(), Namespace(port="1"))


def test_options_may_be_copied() -> None:
    options = default_parser().parse_args(["-p", "9000"])
    for copied in (copy.deepcopy(options), Namespace(**vars(options))):
        assert Settings.from_options(copied, {"FWS_PORT": 1, "FWS_GRACE": 2}) == Settings(grace=2.0)


def test_layers_show_no_value() -> None:
    assert "s3cret" not in repr(Layers(program={"signing_key": "s3cret"}))


def test_settings_are_loaded_from_the_process_the_config_and_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "f.json"
    file.write_text('{"grace": 2, "token_rate": 2}')
    monkeypatch.setenv("FWS_CONFIG", str(file))
    monkeypatch.setenv("FWS_DEFLATE", "off")
    config = {"FWS_TOKEN_RATE": 3, "FWS_CONNECT_RATE": 3, "OTHER": 1}
    assert Settings.load(config, connect_rate=4, filters=["a"]) == Settings(
        deflate="off", grace=2.0, token_rate=3, connect_rate=4, filters=("a",)
    )
    with pytest.raises(ConfigurationError, match=r"^port must be 0 to 65535, not 70000$"):
        Settings.load(port=70000)
    with pytest.raises(ConfigurationError, match=r"^unknown setting prot; did you mean port\?$"):
        Settings.load(prot=1)


def test_settings_that_a_program_made_are_checked() -> None:
    given = Settings(grace=2, allowed_origins=["HTTPS://A.example:443"])  # type: ignore[arg-type]
    checked = given.checked()
    assert checked == Settings(grace=2.0, allowed_origins=("https://a.example",))
    assert type(checked.grace) is float
    with pytest.raises(ConfigurationError, match=r"^settings\.port must be 0 to 65535, not 70000$"):
        Settings(port=70000).checked()
