"""Files in memory, and the safe removal of directories that a program has written to."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
_PIECE_BYTES = 1 << 20
_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW


@contextmanager
def memory_file(name: str) -> Iterator[int]:
    """Open an empty file in memory.

    Args:
        name: The name that /proc shows.
    """
    descriptor = new_memory_file(name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def fill(descriptor: int, content: bytes) -> None:
    """Write the content of a file in memory and seal it. The file stays positioned at its start."""
    os.truncate(descriptor, len(content))
    written = 0
    with memoryview(content) as view:
        while written < len(content):
            written += os.pwrite(descriptor, view[written:], written)
    seal(descriptor)


def seal(descriptor: int) -> None:
    """Make a file in memory immutable for all processes."""
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)


def append(descriptor: int, content: bytes) -> None:
    """Write all of the content at the current position of a file."""
    with memoryview(content) as view:
        written = 0
        while written < len(content):
            written += os.write(descriptor, view[written:])


def append_file(descriptor: int, source: int) -> None:
    """Copy the whole source, regardless of its position, to the current position of a file."""
    offset, end = 0, os.fstat(source).st_size
    while offset < end:
        offset += os.sendfile(descriptor, source, offset, end - offset)


def read_all(descriptor: int) -> bytes:
    """Return the whole content of a file, regardless of its position."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def pieces_of(descriptor: int) -> Iterator[bytes]:
    """Yield the whole content of a file in pieces, regardless of its position."""
    offset = 0
    while piece := os.pread(descriptor, _PIECE_BYTES, offset):
        offset += len(piece)
        yield piece


@contextmanager
def sealed_file(name: str, content: bytes) -> Iterator[int]:
    """Open an immutable file in memory, positioned at its start.

    Args:
        name: The name that /proc shows.
        content: The whole content.
    """
    with memory_file(name) as descriptor:
        fill(descriptor, content)
        yield descriptor


def sealed_copy(source: IO[bytes]) -> int:
    """Copy a file to an immutable file in memory. The caller closes the descriptor."""
    descriptor = new_memory_file("copy")
    with os.fdopen(descriptor, "wb", closefd=False) as copy:
        shutil.copyfileobj(source, copy)
    os.lseek(descriptor, 0, os.SEEK_SET)
    seal(descriptor)
    return descriptor


def write_executable(path: Path, content: bytes) -> None:
    """Write a file that every user may run, atomically, unless it exists with this content."""
    if path.exists() and path.read_bytes() == content:
        return
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), 0o755)
    Path(unfinished).replace(path)


def new_memory_file(name: str) -> int:
    """Open an empty file in memory. The caller closes the descriptor."""
    return os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def lock_directory(path: Path | str, *, parent: int | None = None) -> int:
    """Open a directory and lock it for as long as the returned descriptor is open.

    Args:
        path: The path of the directory, or its name in `parent`. A symbolic link is refused.
        parent: The descriptor of a directory.

    Raises:
        OSError: Another process holds the lock, or there is no such directory.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | _DIRECTORY, dir_fd=parent)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def remove_tree(parent: int, name: str) -> None:
    """Remove a directory with everything that a program has written to it.

    Works on directory descriptors and follows no link. Each subdirectory is moved to `parent` before it is
    read, so any depth and any modes work.

    Args:
        parent: A descriptor of the parent directory, where all names that begin with `name` are reserved.
        name: The name of the directory.
    """
    pending = [name]
    moved = 0
    while pending:
        directory = open_unlocked(parent, pending[-1])
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        os.close(open_unlocked(directory, entry.name))
                        moved += 1
                        pending.insert(0, f"{name}.{moved}")
                        os.rename(entry.name, pending[0], src_dir_fd=directory, dst_dir_fd=parent)
                    else:
                        os.unlink(entry.name, dir_fd=directory)
        finally:
            os.close(directory)
        try:
            os.rmdir(pending[-1], dir_fd=parent)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
        else:
            pending.pop()


def open_unlocked(parent: int, name: str) -> int:
    """Open a directory after giving its owner all permissions."""
    path = os.open(name, os.O_PATH | _DIRECTORY, dir_fd=parent)
    try:
        Path(f"/proc/self/fd/{path}").chmod(0o700)  # chmod(2) always follows links
    finally:
        os.close(path)
    return os.open(name, os.O_RDONLY | _DIRECTORY, dir_fd=parent)
