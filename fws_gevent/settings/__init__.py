"""Every setting of a server, and the places that settings come from."""

from .fields import but_not, checked, default_of
from .sources import (
    ENVIRONMENT_PREFIX,
    each_once,
    from_environment,
    from_file,
    from_flask,
    from_keywords,
    from_process,
)
from .table import Settings, table

__all__ = [
    "ENVIRONMENT_PREFIX",
    "Settings",
    "but_not",
    "checked",
    "default_of",
    "each_once",
    "from_environment",
    "from_file",
    "from_flask",
    "from_keywords",
    "from_process",
    "table",
]
