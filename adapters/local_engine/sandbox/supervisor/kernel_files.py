"""Files that the kernel makes up as they are read: of control groups and processes."""

import os

_PIECE = 65_536


def read(path: str) -> str:
    """Return all of a file.

    Raises:
        OSError: It is not there, or not for us.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pieces = []
        while piece := os.read(descriptor, _PIECE):
            pieces.append(piece)
        return b"".join(pieces).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def write(path: str, text: str) -> None:
    """Write to a file, at once.

    Raises:
        OSError: The kernel refuses.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
