"""Directory of results that wait for the log store or the database."""

import fcntl
import io
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import IO
from uuid import UUID

import msgspec

from adapters.filesystem.errors import storage_errors
from adapters.filesystem.names import RESULT_DRAFTS
from adapters.filesystem.tree import Tree
from application.errors import StorageUnavailable
from application.ports.result_spool import KeptResult, ResultSpool
from domain.catalogue.text import Text, text_of
from domain.values import ExecutionId

_log = logging.getLogger("service_server.object_store")

_KEPT = ".kept"
_UNREADABLE = ".unreadable"
# With less free space than this, the disk counts as full: no program is started whose result could not be
# kept.
_RESERVE_BYTES = 1 << 20
# How long the result of a check of the directory is reused.
_LOOK_GOOD_S = 0.5


class FilesystemResultSpool(ResultSpool):
    """Stores results with their logs as files, in a directory shared by the processes of a machine.

    The first line of a file is the result as JSON; the rest is the log. A process locks a file while it works
    on it, and the lock ends with the process.

    Args:
        directory: The directory of the files, created if missing.
        max_bytes: The maximum total size of the files.

    Raises:
        StorageUnavailable: The directory cannot be created or written to.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._tree = Tree(directory, incoming=RESULT_DRAFTS, durable=True)
        self._keeping = Lock()
        self._was_full = False
        self._looked_at = -_LOOK_GOOD_S
        with storage_errors("opening the directory of results"):
            self._tree.prepare()

    def is_full(self) -> bool:
        """Whether the files have reached their limit, or the disk has no room for another file."""
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_GOOD_S:
            with storage_errors("checking the kept results"):
                space = os.statvfs(self._directory)
                is_disk_full = space.f_bavail * space.f_frsize < _RESERVE_BYTES
                self._was_full = is_disk_full or self._used() >= self._max_bytes
            self._looked_at = now
        return self._was_full

    def keep(self, kept: KeptResult, log: IO[bytes]) -> None:
        """Write a result and its log to a file atomically."""
        head = msgspec.json.encode(_with_error(kept, _plain)) + b"\n"
        size = len(head) + _rest(log)
        name = f"{int(kept.ended_at.timestamp() * 1_000):015}-{kept.execution_id}{_KEPT}"
        with self._keeping, storage_errors(f"keeping the result of execution {kept.execution_id}"):
            if self._used() + size > self._max_bytes:
                raise StorageUnavailable(
                    "pending results have reached the limit SERVICE_SERVER_PENDING_RESULTS_MB"
                )
            self._tree.write([name], _Joined(io.BytesIO(head), log))

    def names(self) -> Sequence[str]:
        """Return the names of the files, oldest first; each begins with its time."""
        with storage_errors("listing the kept results"):
            return sorted(file.name for file in self._directory.glob(f"*{_KEPT}"))

    def executions(self) -> Collection[ExecutionId]:
        """Return the executions whose results are kept."""
        return [ExecutionId(UUID(name.removesuffix(_KEPT).partition("-")[2])) for name in self.names()]

    @contextmanager
    def opened(self, name: str) -> Iterator[tuple[KeptResult, IO[bytes]] | None]:
        """Open and lock a file; yield None if another process has locked it, or it is gone or unreadable."""
        with ExitStack() as stack:
            with storage_errors("reading a kept result"):
                file = self._open(name)
                kept = None if file is None else self._read(name, stack.enter_context(file))
            yield None if file is None or kept is None else (kept, file)

    def remove(self, name: str) -> None:
        """Remove a file."""
        with storage_errors("removing a kept result"):
            self._tree.remove([name])

    def _used(self) -> int:
        used = 0
        with os.scandir(self._directory) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # removed, because its log has just been stored
                    if entry.is_file(follow_symlinks=False):
                        used += entry.stat(follow_symlinks=False).st_size
        return used

    def _open(self, name: str) -> IO[bytes] | None:
        try:
            descriptor = os.open(self._directory / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        file = open(descriptor, "rb")  # noqa: PTH123, SIM115 - a descriptor has no path; the caller closes it
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        if os.fstat(descriptor).st_nlink == 0:  # removed before it was locked
            file.close()
            return None
        return file

    def _read(self, name: str, file: IO[bytes]) -> KeptResult | None:
        try:
            return _with_error(msgspec.json.decode(file.readline(), type=KeptResult), _restored)
        except (msgspec.DecodeError, ValueError) as error:
            # Kept for an operator to inspect. The execution is recovered when its lease expires.
            _log.error("kept result %s cannot be read and was renamed: %s", name, error)
            (self._directory / name).rename(self._directory / f"{name}{_UNREADABLE}")
            return None


def _with_error(kept: KeptResult, change: Callable[[Text], Text | None]) -> KeptResult:
    error = kept.result.error
    if not isinstance(error, Text):
        return kept
    return replace(kept, result=replace(kept.result, error=change(error)))


def _plain(error: Text) -> Text:
    return Text(error.code, error.plain_values)


def _restored(error: Text) -> Text | None:
    """Return a text whose nested texts, decoded as plain objects, are texts again."""
    return text_of({"code": error.code, "values": dict(error.values)})


class _Joined:
    """The concatenation of two streams."""

    def __init__(self, first: IO[bytes], second: IO[bytes]) -> None:
        self._streams = (first, second)

    def read(self, size: int, /) -> bytes:
        return next(filter(None, (stream.read(size) for stream in self._streams)), b"")


def _rest(stream: IO[bytes]) -> int:
    position = stream.tell()
    size = stream.seek(0, os.SEEK_END) - position
    stream.seek(position)
    return size
