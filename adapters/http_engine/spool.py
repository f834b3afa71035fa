"""What is large waits in a file and is worked on one at a time, so that memory does not grow with callers."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import IO

from adapters.common.overflow_file import OverflowFile

# What is smaller than this stays in memory, and waits for nobody.
SMALL_BYTES = 256 << 10

_large_one = Lock()


class Spool:
    """Makes places for what comes or has to wait.

    Args:
        directory: Where the files are; None for the system's own place.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory

    def open(self) -> OverflowFile:
        """Return an empty place, to be closed."""
        return OverflowFile(SMALL_BYTES, self._directory)

    def keep(self, data: bytes) -> IO[bytes]:
        """Return a place with data in it, to be read from its start and to be closed."""
        if len(data) <= SMALL_BYTES:
            return BytesIO(data)
        place = self.open()
        place.write(data)
        return place.rewound()


@contextmanager
def in_memory(size: int) -> Iterator[None]:
    """Have something of this size in memory, when no other thread has anything that is large.

    An answer takes up to ten times its bytes while it is read.
    """
    if size <= SMALL_BYTES:
        yield
        return
    with _large_one:
        yield
