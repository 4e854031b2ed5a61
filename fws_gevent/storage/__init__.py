"""Storage objects: sets under keys, in which filters keep the data that they share.

It may import `redis_io`, errors and logs, and knows nothing of nodes. Begin with base.py.
"""

from typing import TYPE_CHECKING, Any

from .base import BaseStorageObject
from .memory import MemoryStorageObject

if TYPE_CHECKING:
    from .redis import RedisStorageObject

__all__ = ["BaseStorageObject", "MemoryStorageObject", "RedisStorageObject"]


def __getattr__(name: str) -> Any:
    """Import `RedisStorageObject` at its first use (PEP 562): redis-py takes long to import."""
    if name != "RedisStorageObject":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .redis import RedisStorageObject

    return RedisStorageObject


def __dir__() -> list[str]:
    """Return all names, including the one that is not imported yet."""
    return sorted({*globals(), *__all__})
