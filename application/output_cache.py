"""The outputs that were read last, in temporary files: a page that is scrolled reads one of them in parts."""

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from application.file_spool import FileSpool
from application.ports.clock import Clock
from application.ports.output_feed import Stream
from domain.values import ObjectKey

logger = logging.getLogger("service_server.output")

Key = tuple[ObjectKey, Stream]
# A smaller output is read from its log again sooner than it is found here.
_SMALL_BYTES = 256 << 10
# Each has a file of its own, of which a process has only so many.
_MAX_FILES = 64
# A log that was deleted meanwhile is not answered for longer.
_KEPT_S = 300.0


@dataclass(frozen=True, slots=True)
class _Entry:
    spool: FileSpool
    kept_until: float


class OutputBytes:
    """The bytes of an output, in memory or in a temporary file; safe to read from several threads."""

    def __init__(self, content: bytes | FileSpool) -> None:
        self._content = content
        self.size = content.size if isinstance(content, FileSpool) else len(content)

    def read(self, begin: int, end: int) -> bytes:
        """Return the bytes from `begin` to before `end`, as far as there are some."""
        if not isinstance(self._content, FileSpool):
            return self._content[begin:end]
        pieces = []
        while begin < end and (piece := self._content.read(begin, end - begin)):
            pieces.append(piece)  # the system reads no more than 2 GiB at once
            begin += len(piece)
        return b"".join(pieces)


class OutputCache:
    """Keeps outputs that were read from their logs, for some minutes; the longest unread give way.

    It is safe to use from several threads, of which one reads a log that several ask for.

    Args:
        clock: A clock.
        max_bytes: The space on the disk for all of them. A larger output is not kept.
    """

    def __init__(self, clock: Clock, max_bytes: int) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._loading: dict[Key, Lock] = {}
        self._lock = Lock()

    def get(self, key: Key, load: Callable[[], bytes]) -> OutputBytes:
        """Return the output that is kept under a key, or load it, and keep it if it is large.

        Raises:
            Exception: As `load` does.
        """
        with self._lock:
            loading = self._loading.setdefault(key, Lock())
        with loading:
            try:
                return self._find(key) or self._add(key, load())
            finally:
                with self._lock:
                    self._loading.pop(key, None)

    def _find(self, key: Key) -> OutputBytes | None:
        with self._lock:
            self._forget_old()
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return OutputBytes(entry.spool)

    def _add(self, key: Key, content: bytes) -> OutputBytes:
        if not _SMALL_BYTES <= len(content) <= self._max_bytes:
            return OutputBytes(content)
        spool = FileSpool()
        try:
            spool.append(content)
        except OSError as error:
            logger.warning("an output is not kept for its next reader: %s", error.strerror)
            spool.close()
            return OutputBytes(content)
        with self._lock:
            self._entries[key] = _Entry(spool, self._clock.monotonic() + _KEPT_S)
            while len(self._entries) > _MAX_FILES or self._size() > self._max_bytes:
                self._entries.popitem(last=False)  # its file is closed with its last reader
        return OutputBytes(spool)

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        for key in [key for key, entry in self._entries.items() if entry.kept_until < now]:
            del self._entries[key]

    def _size(self) -> int:
        return sum(entry.spool.size for entry in self._entries.values())
