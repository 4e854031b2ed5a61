"""The command line: flags over configuration file over environment over defaults."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import Field
from types import MappingProxyType
from typing import Any, NoReturn

from .errors import ConfigurationError
from .settings import ENVIRONMENT_PREFIX, but_not, default_of, from_environment, from_file, table


class OptionParser(argparse.ArgumentParser):
    """An ArgumentParser that starts from the environment and from `-c`, and complains in a line.

    What is in `given` goes over these.
    """

    given: Mapping[str, Any] = MappingProxyType({})

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse; what the flags don't give comes from the file that -c names, then from FWS_…."""
        if namespace is None:
            namespace = argparse.Namespace()
        path = _config_in(args) or os.environ.get("FWS_CONFIG")
        try:
            given = from_environment(os.environ)
            if path is not None:
                given |= from_file(path)
            given |= self.given
        except ConfigurationError as error:
            self.error(str(error))
        for name, value in given.items():
            if not hasattr(namespace, name):
                setattr(namespace, name, value)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())} (see --help)\n")


def _config_in(args: Sequence[str] | None) -> str | None:
    """The file that -c names, found before the rest is parsed: it gives the defaults for that."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("-c", "--config", nargs="?")
    for setting in table():  # known here too, lest "-cert FILE" be read as "-c ert FILE"
        flags = setting.metadata["flags"] or (f"--{setting.name}",)
        first.add_argument(*flags, dest=setting.name, nargs="*")
    found: str | None = first.parse_known_args(args)[0].config
    return found


class _NoFlag(argparse.Action):
    """A secret on the command line is refused without repeating it."""

    def __init__(self, option_strings: Sequence[str], dest: str, **more: Any) -> None:
        super().__init__(option_strings, dest, **{**more, "help": argparse.SUPPRESS})

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Refuse it."""
        name = f"{ENVIRONMENT_PREFIX}{self.dest.upper()}"
        parser.error(
            f"{self.dest} is no flag, for others could read it: set {name}, or have it in -c FILE"
        )


def default_parser(given: Mapping[str, Any] | None = None) -> OptionParser:
    """The parser of the command `fws_server`, for programs that add options of their own.

    Settings in `given` go over the environment and the configuration file, and under the flags.
    """
    parser = OptionParser(
        prog=None,
        description="A WebSocket server composed of filters.",
        epilog="Each option has an environment name: FWS_ and its long name in capitals. "
        "Flags go over the configuration file, that over the environment.",
        allow_abbrev=False,
    )
    parser.given = given or {}
    parser.add_argument(
        "-c", "--config", metavar="FILE.json", help="JSON file with long option names as keys"
    )
    for setting in table():
        if setting.metadata["flag"]:
            _add(parser, setting)
        else:
            parser.add_argument(
                f"--{setting.name}", action=_NoFlag, nargs="?", default=default_of(setting)
            )
    return parser


def _add(parser: argparse.ArgumentParser, setting: Field[Any]) -> None:
    flags = setting.metadata["flags"] or (f"--{setting.name}",)
    parse = setting.metadata["parse"]

    def convert(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{error}{but_not(setting, text)}") from None

    default = default_of(setting)
    shown = " ".join(default) if isinstance(default, tuple) else default
    parser.add_argument(
        *flags,
        dest=setting.name,
        type=convert,
        nargs="*" if setting.metadata["many"] else None,
        default=default,
        metavar=setting.name.rsplit("_", 1)[-1].upper(),
        help=setting.metadata["help"] + (f" ({shown})" if shown not in (None, "") else ""),
    )
