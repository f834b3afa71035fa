"""A byte buffer that moves from memory to a temporary file when it grows large."""

import logging
import tempfile
from io import BytesIO
from pathlib import Path
from typing import IO

logger = logging.getLogger("service_server.disk")

IN_MEMORY_BYTES = 256 << 10


class OverflowFile:
    """Bytes in memory, or in an unnamed temporary file once they exceed a limit. Closing discards them.

    If the disk is full, the bytes stay in memory: no output is lost, and the output limits bound the memory.

    Args:
        max_in_memory: The maximum number of bytes in memory while the disk has room.
        directory: The directory of the file; None for the system's temporary directory.
    """

    def __init__(self, max_in_memory: int = IN_MEMORY_BYTES, directory: Path | None = None) -> None:
        self._max_in_memory = max_in_memory
        self._directory = directory
        self._stream: IO[bytes] = BytesIO()
        self._size = 0
        self._is_in_memory = True
        self._may_use_disk = True

    def write(self, data: bytes) -> None:
        """Append bytes."""
        if self._is_in_memory and self._may_use_disk and self._size + len(data) > self._max_in_memory:
            self._move_to_disk()
        if not self._is_in_memory:
            try:
                write_all(self._stream, data)
            except OSError as error:
                self._move_to_memory(error)
        if self._is_in_memory:
            self._stream.seek(self._size)
            self._stream.write(data)
        self._size += len(data)

    def read(self, begin: int, end: int) -> bytes:
        """Return the bytes from offset `begin` to `end`. Nothing may be written afterwards."""
        self._stream.seek(begin)
        return self._stream.read(max(end - begin, 0))

    def rewound(self) -> IO[bytes]:
        """Return a stream of all the bytes, positioned at its start. Nothing may be written afterwards."""
        self._stream.seek(0)
        return self._stream

    def close(self) -> None:
        """Discard the bytes."""
        self._stream.close()

    def _move_to_disk(self) -> None:
        try:
            # Unbuffered, so that a write that returns has reached the file.
            file: IO[bytes] = tempfile.TemporaryFile(buffering=0, dir=self._directory)  # noqa: SIM115 - kept
        except OSError as error:
            self._stay_in_memory(error)
            return
        try:
            write_all(file, self.rewound().read())
        except OSError as error:
            file.close()
            self._stay_in_memory(error)
        else:
            self._stream.close()
            self._stream, self._is_in_memory = file, False

    def _move_to_memory(self, error: OSError) -> None:
        """Move the bytes back from the disk, without those of the incomplete write."""
        with self._stream as file:
            file.seek(0)
            self._stream = BytesIO(file.read()[: self._size])
        self._is_in_memory = True
        self._stay_in_memory(error)

    def _stay_in_memory(self, error: OSError) -> None:
        logger.warning("output stays in memory because it cannot be written to disk: %s", error.strerror)
        self._may_use_disk = False


def write_all(file: IO[bytes], data: bytes) -> None:
    """Write all bytes to an unbuffered file."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
