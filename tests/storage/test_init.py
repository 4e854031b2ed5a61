"""The storage objects are exported, and redis-py is imported only where it is used."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from fws_gevent import storage
from fws_gevent.storage.redis import RedisStorageObject


def test_all_storage_objects_are_exported() -> None:
    assert storage.RedisStorageObject is RedisStorageObject
    kinds = [getattr(storage, name) for name in storage.__all__]
    assert all(issubclass(kind, storage.BaseStorageObject) for kind in kinds)


def test_redis_is_listed_and_not_imported_before_its_use() -> None:
    code = (
        "import sys; from fws_gevent import storage; "
        "print('RedisStorageObject' in dir(storage), 'redis' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "True False\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    package: Any = storage
    with pytest.raises(AttributeError, match=r"'fws_gevent.storage' has no attribute 'nothing'"):
        _ = package.nothing
