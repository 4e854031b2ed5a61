"""The storage object of a server: the one that a program gives, or the Redis of the settings."""

from __future__ import annotations

from ..errors import ConfigurationError
from ..settings import Settings
from ..storage.base import BaseStorageObject


def storage_of(
    settings: Settings, storage_object: BaseStorageObject | None
) -> BaseStorageObject | None:
    """Return the storage object that was given, or that of the Redis in the settings, or None.

    Raises ConfigurationError.
    """
    if storage_object is not None:
        return storage_object
    if settings.redis_url is None and settings.redis_host is None:
        return None
    # Imported here alone: redis-py takes a quarter of the time of a start.
    from ..storage.redis import RedisStorageObject

    if settings.redis_url is not None:
        try:
            return RedisStorageObject.from_url(settings.redis_url, settings.redis_key)
        except ConfigurationError as error:
            raise ConfigurationError(f"redis_url: {error}") from None
    assert settings.redis_host is not None
    return RedisStorageObject(settings.redis_host, settings.redis_port, settings.redis_key)
