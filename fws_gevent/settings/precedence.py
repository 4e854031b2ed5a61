"""The order of the sources of settings: the one place where settings are merged."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from .sources import Known, from_keywords

LAYERS: Final = "_layers"
"""The attribute of parsed options that holds their layers."""


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


def layers_of(known: Known, options: Namespace) -> Layers:
    """Return the layers of options, which a parser made or a program.

    A value that the parser didn't put there is the program's, and goes over everything else;
    None stands for a value that is not given. Raises ConfigurationError.
    """
    layers: Layers = getattr(options, LAYERS, Layers())
    parsed, assigned = layers.merged(), {}
    for name in known:
        value = getattr(options, name, None)
        if value is not None and value is not parsed.get(name):
            assigned[name] = value
    if not assigned:
        return layers
    program = {**layers.program, **from_keywords(known, assigned, "options.")}
    return replace(layers, program=program)
