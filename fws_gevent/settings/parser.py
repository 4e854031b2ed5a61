"""The command line: flags over configuration file over environment over defaults."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import Field
from types import MappingProxyType
from typing import Any, NoReturn

from ..errors import ConfigurationError
from . import ENVIRONMENT_PREFIX, but_not, default_of, from_process, table

BACKGROUND = "background"
"""The name in parsed options of those that no flag gave, with their values.

The program's configuration may still go over these, and never over a flag.
"""

_NOT_GIVEN = object()


class OptionParser(argparse.ArgumentParser):
    """An ArgumentParser that adds the environment and the file of `-c`, and complains in a line.

    What is in `given` goes over these, and under the flags.
    """

    given: Mapping[str, Any] = MappingProxyType({})

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse; what the flags don't give comes from the file that -c names, then from FWS_….

        A value that the namespace has beforehand is the program's, and counts as a flag.
        """
        options = argparse.Namespace() if namespace is None else namespace
        before = getattr(options, BACKGROUND, {})
        for setting in table():
            name = setting.name
            # A flag may well repeat a default: only this mark tells that there was none.
            if getattr(options, name, None) is before.get(name):
                setattr(options, name, _NOT_GIVEN)
        options, rest = super().parse_known_args(args, options)
        given = self._background(options.config)
        background = {
            name: value for name, value in given.items() if getattr(options, name) is _NOT_GIVEN
        }
        for name, value in background.items():
            setattr(options, name, value)
        setattr(options, BACKGROUND, background)
        return options, rest

    def _background(self, file: str | None) -> dict[str, Any]:
        """The value of each setting that no flag gives."""
        found = {setting.name: self.get_default(setting.name) for setting in table()}
        try:
            return found | from_process(os.environ, file) | dict(self.given)
        except ConfigurationError as error:
            self.error(str(error))

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())} (see --help)\n")


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
