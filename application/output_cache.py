"""A cache of recently read outputs in temporary files, for pages that read an output in parts."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

from application.file_spool import FileSpool
from application.ports.clock import Clock
from application.ports.output_feed import Stream
from domain.arrivals import Arrivals
from domain.values import ObjectKey

T = TypeVar("T")
U = TypeVar("U")

logger = logging.getLogger("service_server.output")

# Reading smaller outputs from their log is faster than this cache.
_SMALL_BYTES = 256 << 10
# Each entry may hold two open files, and a process may have only a limited number.
_MAX_ENTRIES = 32
# Limits how long a deleted log can still be served.
_KEPT_S = 300.0


@dataclass(frozen=True, slots=True)
class LogOutputs(Generic[T]):
    """The streams that a log has, and the times of their arrival, if it has them."""

    streams: Mapping[Stream, T]
    arrivals: Arrivals | None = None

    def converted(self, convert: Callable[[T], U]) -> "LogOutputs[U]":
        """Return the same outputs with each stream converted."""
        return LogOutputs({name: convert(stream) for name, stream in self.streams.items()}, self.arrivals)


class OutputBytes:
    """The bytes of an output, in memory or in a temporary file. Safe to read from several threads."""

    def __init__(self, content: bytes | FileSpool) -> None:
        self._content = content
        self.size = content.size if isinstance(content, FileSpool) else len(content)

    def read(self, begin: int, end: int) -> bytes:
        """Return the bytes from `begin` to before `end`; fewer at the end of the output."""
        if not isinstance(self._content, FileSpool):
            return self._content[begin:end]
        pieces = []
        while begin < end and (piece := self._content.read(begin, end - begin)):
            pieces.append(piece)  # one read returns at most 2 GiB
            begin += len(piece)
        return b"".join(pieces)


@dataclass(frozen=True, slots=True)
class _Entry:
    outputs: LogOutputs[OutputBytes]
    size: int
    kept_until: float


class OutputCache:
    """Caches outputs read from their logs for some minutes, evicting the least recently used ones.

    It is safe to use from several threads; if several request the same log, one of them reads it for all.

    Args:
        clock: A clock.
        max_bytes: The maximum total size on disk. Larger outputs are not cached.
    """

    def __init__(self, clock: Clock, max_bytes: int) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._entries: OrderedDict[ObjectKey, _Entry] = OrderedDict()
        self._loading: dict[ObjectKey, Future[LogOutputs[OutputBytes]]] = {}
        self._lock = Lock()

    def get(self, log_key: ObjectKey, load: Callable[[], LogOutputs[bytes]]) -> LogOutputs[OutputBytes]:
        """Return the cached outputs of a log, or load them, and cache them if they are large.

        Raises:
            Exception: Any error of `load`.
        """
        with self._lock:
            self._forget_old()
            if log_key in self._entries:
                self._entries.move_to_end(log_key)
                return self._entries[log_key].outputs
            loading = self._loading.get(log_key)
            is_mine = loading is None
            if loading is None:
                loading = self._loading[log_key] = Future()
        if is_mine:
            try:
                loading.set_result(self._add(log_key, load()))
            except BaseException as error:  # noqa: BLE001 - raised in every reader, including this one
                loading.set_exception(error)
            finally:
                with self._lock:
                    del self._loading[log_key]
        return loading.result()

    def _add(self, log_key: ObjectKey, loaded: LogOutputs[bytes]) -> LogOutputs[OutputBytes]:
        size = sum(map(len, loaded.streams.values()))
        if not _SMALL_BYTES <= size <= self._max_bytes:
            return loaded.converted(OutputBytes)
        try:
            outputs = loaded.converted(_spooled)
        except OSError as error:
            logger.warning("output is not cached: %s", error.strerror)
            return loaded.converted(OutputBytes)
        with self._lock:
            self._entries[log_key] = _Entry(outputs, size, self._clock.monotonic() + _KEPT_S)
            while len(self._entries) > _MAX_ENTRIES or self._size() > self._max_bytes:
                self._entries.popitem(last=False)  # its files are closed with their last reader
        return outputs

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        for key in [key for key, entry in self._entries.items() if entry.kept_until < now]:
            del self._entries[key]

    def _size(self) -> int:
        return sum(entry.size for entry in self._entries.values())


def _spooled(content: bytes) -> OutputBytes:
    """Write an output to a file, if it is large.

    Raises:
        OSError: The disk is full.
    """
    if len(content) < _SMALL_BYTES:
        return OutputBytes(content)
    spool = FileSpool()
    spool.append(content)
    return OutputBytes(spool)
