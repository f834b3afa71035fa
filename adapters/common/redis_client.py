"""Redis clients (Redis 6.2 or later, or Valkey) with common timeouts, and errors translated to sentences."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from adapters.common.certificate_errors import certificate_fault
from application.errors import DependencyUnavailable

# Redis answers in under a millisecond; a server that takes this long counts as unavailable.
ANSWER_WITHIN_S = 1.0

_UNUSABLE = "Redis does not respond, or its response is invalid"
# https://redis.io/docs/latest/develop/reference/protocol-spec: the first word of an error is its kind, unless
# that is ERR, which redis-py removes.
_REFUSALS: Mapping[str, str] = {
    "MISCONF": "Redis rejects writes because it cannot save data to its disk",
    "NOREPLICAS": "Redis rejects writes because it has too few replicas (min-replicas-to-write)",
    "BUSY ": "Redis is busy with a script that does not end",
    "max number of clients reached": "Redis has too many clients (maxclients)",
}
# A replica rejects writes, and other commands if it may not serve old data and has no link to its primary.
_OF_REPLICAS = (redis.exceptions.ReadOnlyError, redis.exceptions.MasterDownError)
# How Redis 6 reports a rejected write of a script.
_READ_ONLY_IN_SCRIPT = "-READONLY "


class _Demoted(redis.ConnectionError):
    """The server at the other end of a connection has become a read-only replica."""


class _WritableConnection(redis.connection.AbstractConnection):
    """A connection that is closed when its server has become a replica.

    After a failover, the address leads to another server, but the connections to the previous one stay open.
    """

    def read_response(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - redis-py's own
        """Return the response to a command."""
        try:
            return super().read_response(*arguments, **options)
        except redis.ResponseError as error:
            if not (isinstance(error, _OF_REPLICAS) or _READ_ONLY_IN_SCRIPT in str(error)):
                raise
            self.disconnect()  # type: ignore[no-untyped-call]  # redis-py's
            raise _Demoted(str(error)) from error


class _TcpConnection(_WritableConnection, redis.Connection):
    """A writable connection over TCP."""


class _TlsConnection(_WritableConnection, redis.SSLConnection):
    """A writable connection over TLS."""


class _SocketConnection(_WritableConnection, redis.UnixDomainSocketConnection):
    """A writable connection over a Unix domain socket."""


_CONNECTIONS: Mapping[str, type[Any]] = {"rediss": _TlsConnection, "unix": _SocketConnection}
_FAULTS: Mapping[type[redis.RedisError], str] = {
    _Demoted: "Redis rejects writes because it is a read-only replica",
    redis.exceptions.OutOfMemoryError: "Redis rejects writes because its memory limit (maxmemory) is reached",
    redis.exceptions.BusyLoadingError: "Redis is loading its data",
    redis.exceptions.AuthenticationError: "Redis rejects the credentials",
    redis.exceptions.NoPermissionError: "this Redis user lacks a permission",
}


def connect(url: str, block_s: float = 0.0, *, repeats: bool = True) -> redis.Redis:
    """Build a client for commands that block for up to `block_s`. It connects on first use.

    Args:
        url: The address of Redis, with credentials if required.
        block_s: The maximum time that a command blocks, in seconds.
        repeats: Whether to reopen a closed connection and repeat the command once, which is enough after a
            restart of Redis or a failover. A command that must not be repeated without notice fails instead.
    """
    return redis.Redis.from_url(
        url,
        connection_class=_CONNECTIONS.get(urlsplit(url).scheme, _TcpConnection),
        protocol=2,
        socket_connect_timeout=ANSWER_WITHIN_S,
        socket_timeout=block_s + ANSWER_WITHIN_S,
        retry=Retry(NoBackoff(), int(repeats), supported_errors=(redis.ConnectionError,)),
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
    if (fault := certificate_fault(error)) is not None:
        return f"Redis cannot be reached: {fault}"
    words = str(error)
    found = next((text for word, text in _REFUSALS.items() if words.startswith(word)), None)
    return found or next((text for kind, text in _FAULTS.items() if isinstance(error, kind)), _UNUSABLE)
