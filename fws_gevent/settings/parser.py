"""The command line: argparse collects the texts of flags, and Layers merges them with the rest."""

from __future__ import annotations

import argparse
import os
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field
from types import MappingProxyType
from typing import Any, NoReturn

from ..errors import ConfigurationError
from .fields import default_of
from .precedence import ASSIGNED, LAYERS, Layers, Options, layers_of
from .sources import ENVIRONMENT_PREFIX, Known, from_flags, from_flask, from_keywords, from_process
from .table import SECTIONS, by_name, table
from .values import OneOf

_NOT_GIVEN = object()


class OptionParser(argparse.ArgumentParser):
    """An ArgumentParser whose options come from flags, the environment and a JSON file.

    The attributes of its Namespace are converted values. An error is one line and exit status 2.
    """

    application: Mapping[str, Any] = MappingProxyType({})
    """The settings of a Flask application's config, converted."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Namespace | None = None
    ) -> tuple[Namespace, list[str]]:
        """Parse the flags, and merge them with the other sources.

        A value that `namespace` has beforehand counts as one that a program assigned.
        """
        return self._merged(super().parse_known_args, args, namespace)

    def parse_known_intermixed_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Namespace | None = None
    ) -> tuple[Namespace, list[str]]:
        """Parse flags among positional arguments, and merge them with the other sources."""
        return self._merged(super().parse_known_intermixed_args, args, namespace)

    def _merged(
        self,
        parse: Callable[[Sequence[str] | None, Namespace], tuple[Namespace, list[str]]],
        args: Sequence[str] | None,
        namespace: Namespace | None,
    ) -> tuple[Namespace, list[str]]:
        options = Options() if namespace is None else namespace
        named = self._named()
        known = {name: each for name, each in by_name().items() if name in named}
        # Nothing is to be merged for the parser of a subcommand that a program added, nor in a
        # call of parse_known_args by parse_known_intermixed_args.
        if not known or any(each is _NOT_GIVEN for each in vars(options).values()):
            return parse(args, options)
        try:
            before = layers_of(known, options)
            for name in known:
                # A flag may repeat a default: only this mark tells that there was no flag.
                setattr(options, name, _NOT_GIVEN)
            options, rest = parse(args, options)
            texts = {name: getattr(options, name) for name in known}
            flags = {name: text for name, text in texts.items() if text is not _NOT_GIVEN}
            layers = Layers(
                defaults=from_keywords(known, self._defaults_of(known)),
                process=from_process(known, os.environ, options.config),
                application=self.application,
                program={**before.program, **from_flags(known, flags, named)},
            )
        except ConfigurationError as error:
            self.error(str(error))
        merged = layers.merged()
        for name in known:
            setattr(options, name, merged.get(name))
        setattr(options, LAYERS, layers)
        vars(options).pop(ASSIGNED, None)  # from here on it names what a program assigns
        return options, rest

    def _defaults_of(self, known: Known) -> dict[str, Any]:
        """Return the defaults; None, also of `set_defaults`, stands for the setting's own."""
        chosen = {name: self.get_default(name) for name in known}
        own = {name: default_of(each) for name, each in known.items() if chosen[name] is None}
        return {name: value for name, value in (chosen | own).items() if value is not None}

    def _named(self) -> dict[str, str]:
        """Return how errors name the flags of each setting, which is argparse's own way."""
        return {
            action.dest: f"argument {'/'.join(action.option_strings)}:" for action in self._actions
        }

    def error(self, message: str) -> NoReturn:
        """Print the error in one line, and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())} (see --help)\n")


class _NoFlag(argparse.Action):
    """Refuses a secret on the command line without repeating it."""

    def __init__(self, option_strings: Sequence[str], dest: str, **more: Any) -> None:
        super().__init__(option_strings, dest, **{**more, "help": argparse.SUPPRESS})

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Exit with an error that names the safe sources."""
        parser.error(
            f"--{self.dest} is not a flag, since other users could read it: set "
            f"{ENVIRONMENT_PREFIX}{self.dest.upper()}, or put {self.dest} into the file of -c"
        )


def default_parser(config: Mapping[str, Any] | None = None) -> OptionParser:
    """Return the parser of the command `fws_server`; `config` is a Flask application's.

    Raises ConfigurationError for a setting in `config` that is wrong.
    """
    parser = OptionParser(
        description="Serve WebSockets with chains of filters.",
        epilog="Each option but -c can also be set by a key of the JSON file, its long name "
        "(port), and by an environment variable, FWS_ and its long name in capitals (FWS_PORT). "
        "Flags override the file, and the file overrides the environment.",
        allow_abbrev=False,
    )
    parser.application = from_flask(by_name(), config or {})
    parser.add_argument(
        "-c", "--config", metavar="FILE.json", help="JSON file with long option names as keys"
    )
    section: argparse._ArgumentGroup | None = None
    for setting in table():
        if setting.name in SECTIONS:
            section = parser.add_argument_group(SECTIONS[setting.name])
        assert section is not None
        if setting.metadata["flag"]:
            _add(section, setting)
        else:
            parser.add_argument(
                f"--{setting.name}", action=_NoFlag, nargs="?", default=default_of(setting)
            )
    return parser


def _add(section: argparse._ArgumentGroup, setting: Field[Any]) -> None:
    default = default_of(setting)
    shown = default
    if isinstance(default, tuple):
        shown = " ".join(default)
    elif isinstance(default, float) and default.is_integer():
        shown = int(default)
    section.add_argument(
        *(setting.metadata["flags"] or (f"--{setting.name}",)),
        dest=setting.name,
        nargs="*" if setting.metadata["many"] else None,
        default=default,
        metavar=_metavar(setting),
        help=setting.metadata["help"] + ("" if shown in (None, "") else f" (default: {shown})"),
    )


def _metavar(setting: Field[Any]) -> str:
    """Return the placeholder of a value in the help text: the words, N, or the last of the name."""
    parse = setting.metadata["parse"]
    if isinstance(parse, OneOf):
        return f"{{{','.join(parse.choices)}}}"
    last: str = setting.name.rsplit("_", 1)[-1]
    return "N" if isinstance(setting.default, int | float) and last != "port" else last.upper()
