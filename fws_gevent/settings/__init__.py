"""Every setting of a server, and the places that settings come from."""

from .sources import ENVIRONMENT_PREFIX, from_environment, from_file, from_flask
from .table import Settings, but_not, checked, default_of, table

__all__ = [
    "ENVIRONMENT_PREFIX",
    "Settings",
    "but_not",
    "checked",
    "default_of",
    "from_environment",
    "from_file",
    "from_flask",
    "table",
]
