"""Redis clients (Redis 6.2 or later, or Valkey) with common timeouts, and errors translated to sentences."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from application.errors import DependencyUnavailable

# Redis answers in under a millisecond; a server that takes this long counts as unavailable.
ANSWER_WITHIN_S = 1.0

_UNUSABLE = "Redis does not respond, or its response is invalid"
# https://redis.io/docs/latest/develop/reference/protocol-spec: the first word of an error is its kind.
_REFUSALS: Mapping[str, str] = {"MISCONF": "Redis rejects writes because it cannot save data to its disk"}
_FAULTS: Mapping[type[redis.RedisError], str] = {
    redis.exceptions.OutOfMemoryError: "Redis rejects writes because its memory limit (maxmemory) is reached",
    redis.exceptions.ReadOnlyError: "Redis rejects writes because it is a read-only replica",
    redis.exceptions.BusyLoadingError: "Redis is loading its data",
    redis.exceptions.AuthenticationError: "Redis rejects the credentials",
    redis.exceptions.NoPermissionError: "this Redis user lacks a permission",
}


def connect(url: str, block_s: float = 0.0) -> redis.Redis:
    """Build a client for commands that block for up to `block_s`. It connects on first use.

    A closed connection is reopened once, which is enough after a restart of Redis.
    """
    return redis.Redis.from_url(
        url,
        protocol=2,
        socket_connect_timeout=ANSWER_WITHIN_S,
        socket_timeout=block_s + ANSWER_WITHIN_S,
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )


@contextmanager
def redis_errors(dependency: str) -> Iterator[None]:
    """Translate every Redis error into DependencyUnavailable, with the cause.

    Args:
        dependency: The part of the service that uses Redis.
    """
    try:
        yield
    except redis.RedisError as error:
        raise DependencyUnavailable(dependency, _sentence(error)) from error


def _sentence(error: redis.RedisError) -> str:
    if isinstance(error, redis.ResponseError):  # redis-py raises some refusals as connection errors
        words = str(error)
        found = next((text for word, text in _REFUSALS.items() if words.startswith(word)), None)
        if found is not None:
            return found
    return next((text for kind, text in _FAULTS.items() if isinstance(error, kind)), _UNUSABLE)
