"""Every setting of a server: a table, the sources of values, and the command line.

Imports errors and protocol alone. Begin with `table.py`, where a new setting goes; `precedence.py`
has the order of the sources.
"""

from .fields import default_of
from .sources import ENVIRONMENT_PREFIX, each_once
from .table import Settings, by_name, table

__all__ = ["ENVIRONMENT_PREFIX", "Settings", "by_name", "default_of", "each_once", "table"]
