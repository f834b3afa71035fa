"""Journal of running programs' output, in files that survive the process."""

import logging
import os
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from adapters.common.overflow_file import write_all
from application.ports.output_feed import OutputChunk, Stream
from domain.values import ExecutionId

logger = logging.getLogger("service_server.output_feed")

# The header of each chunk: the index of its stream, its offset and its length.
_HEAD = struct.Struct("<BQI")
_STREAMS = tuple(Stream)
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
# The age at which a file counts as abandoned: its job was deleted, or its database is gone.
_ABANDONED_AFTER_S = 86_400


class OutputJournal:
    """The output of running programs, one file each, to be read after this process was killed.

    The files are not synced: they survive a crash of the process but not of the machine. A failure to write a
    file is only logged.

    Args:
        directory: The directory of the files, created on the first write.
        kept_bytes: The size of the latest output to keep; a file that exceeds twice this size is rewritten
            with it.
    """

    def __init__(self, directory: Path, kept_bytes: int) -> None:
        self._directory = directory
        self._max_bytes = 2 * kept_bytes

    def append(
        self, execution_id: ExecutionId, new: Sequence[OutputChunk], kept: Sequence[OutputChunk]
    ) -> None:
        """Append new chunks to an execution's file, or rewrite it with the kept chunks if none are new."""
        path = self._path(execution_id)
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            if not new or self._write(path, _APPEND, new) > self._max_bytes:
                self._rewrite(path, kept)
        except OSError as error:
            logger.warning(
                "output of execution %s was not saved and would be lost in a crash: %s",
                execution_id,
                error.strerror,
            )

    def read(self, execution_id: ExecutionId) -> Sequence[OutputChunk]:
        """Return the chunks of an execution's file; the last may be truncated."""
        try:
            content = self._path(execution_id).read_bytes()
        except OSError:
            return ()
        return list(_chunks(content))

    def forget(self, execution_id: ExecutionId) -> None:
        """Remove an execution's file, if there is one."""
        with suppress(OSError):
            self._path(execution_id).unlink(missing_ok=True)

    def forget_abandoned(self) -> None:
        """Remove files that were not written to for a day."""
        with suppress(OSError):
            for path in self._directory.iterdir():
                if time.time() - path.stat().st_mtime > _ABANDONED_AFTER_S:
                    path.unlink(missing_ok=True)

    def _path(self, execution_id: ExecutionId) -> Path:
        return self._directory / str(execution_id)

    def _rewrite(self, path: Path, kept: Iterable[OutputChunk]) -> None:
        draft = path.with_suffix(".draft")
        try:
            self._write(draft, _APPEND | os.O_TRUNC, kept)
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    @staticmethod
    def _write(path: Path, flags: int, chunks: Iterable[OutputChunk]) -> int:
        """Write all chunks, or none if the disk is full; return the resulting size of the file."""
        content = b"".join(
            _HEAD.pack(_STREAMS.index(chunk.stream), chunk.offset, len(chunk.data)) + chunk.data
            for chunk in chunks
        )
        with open(os.open(path, flags, 0o600), "wb", buffering=0) as file:  # noqa: PTH123 - no path
            size = os.fstat(file.fileno()).st_size
            try:
                write_all(file, content)
            except OSError:
                file.truncate(size)  # the chunks that follow an incomplete one could not be read
                raise
            return size + len(content)


def _chunks(content: bytes) -> Iterator[OutputChunk]:
    place = 0
    while place + _HEAD.size <= len(content):
        stream, offset, size = _HEAD.unpack_from(content, place)
        place += _HEAD.size
        if stream >= len(_STREAMS):
            return
        yield OutputChunk(_STREAMS[stream], offset, content[place : place + size])
        place += size
