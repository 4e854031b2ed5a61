"""The order of the sources of settings: the one place where settings are merged."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any, Final

from .sources import Known, from_keywords, from_process

LAYERS: Final = "_layers"
"""The attribute of parsed options that holds their layers."""
ASSIGNED: Final = "_assigned"
"""The attribute of parsed options with the names that a program has assigned since."""


class Options(Namespace):
    """Options that note which attributes are assigned. The parser clears the note at its end."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, and note its name."""
        super().__setattr__(name, value)
        # A new set each time: copies of these options keep their own.
        vars(self)[ASSIGNED] = vars(self).get(ASSIGNED, frozenset()) | {name}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Layers:
    """The settings of each source, converted. A later layer goes over the earlier ones."""

    defaults: Mapping[str, Any] = field(default_factory=dict)
    process: Mapping[str, Any] = field(default_factory=dict)
    """The environment, and the configuration file over it."""
    application: Mapping[str, Any] = field(default_factory=dict)
    """A Flask application's config."""
    program: Mapping[str, Any] = field(default_factory=dict)
    """Flags, keyword arguments, and attributes that a program assigned to parsed options."""

    def merged(self) -> dict[str, Any]:
        """Return the value of each setting that a layer has."""
        return {**self.defaults, **self.process, **self.application, **self.program}


def layers_of_process(known: Known, given: Mapping[str, Any] | None = None) -> Layers:
    """Return the layers of a program without flags, which gives some settings by name.

    Raises ConfigurationError.
    """
    return Layers(
        process=from_process(known, os.environ), program=from_keywords(known, given or {})
    )


def layers_of(known: Known, options: Namespace) -> Layers:
    """Return the layers of options, which a parser made or a program.

    A value that a program assigned goes over everything else. In a Namespace that is not of our
    parser, that is each value that the parser didn't put there. None stands for a value that is
    not given. Raises ConfigurationError.
    """
    layers: Layers = getattr(options, LAYERS, Layers())
    noted: AbstractSet[str] = getattr(options, ASSIGNED, frozenset())
    parsed, assigned = layers.merged(), {}
    for name in known:
        value = getattr(options, name, None)
        if value is not None and (name in noted or value is not parsed.get(name)):
            assigned[name] = value
    if not assigned:
        return layers
    program = {**layers.program, **from_keywords(known, assigned, "options.")}
    return replace(layers, program=program)
