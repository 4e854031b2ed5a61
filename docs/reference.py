"""Build the API reference with pdoc: `python -m docs.reference [FOLDER]`, or `make docs`."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pdoc

import fws_gevent
from fws_gevent import storage

PUBLIC = (
    "fws_gevent",
    "fws_gevent.application",
    "fws_gevent.extension",
    "fws_gevent.filters.base",
    "fws_gevent.publisher",
    "fws_gevent.server",
    "fws_gevent.signals",
    "fws_gevent.storage",
    "fws_gevent.worker",
)
"""The modules whose names are public."""

FOLDER = Path("build/reference")


def build(folder: Path) -> None:
    """Write one HTML page for each public module.

    Args:
        folder: Where the pages go; created if it is missing.

    Raises:
        Warning: pdoc warns of a name that it can't find or a docstring that it can't parse.
    """
    for module in (fws_gevent, storage):
        for name in module.__all__:
            # These packages import names at their first use; pdoc looks only at imported ones.
            setattr(module, name, getattr(module, name))
    pdoc.render.configure(docformat="google", footer_text=f"fws_gevent {fws_gevent.__version__}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Greenlets are generic in types-gevent, and not in gevent.
        warnings.filterwarnings("ignore", r"Error parsing type annotation gevent\.Greenlet\[")
        pdoc.pdoc(*PUBLIC, output_directory=folder)


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
