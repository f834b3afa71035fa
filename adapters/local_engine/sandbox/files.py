"""Files without a name, and the safe removal of trees that a program has made."""

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
        name: As /proc shows it.
    """
    descriptor = new_memory_file(name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def fill(descriptor: int, content: bytes) -> None:
    """Write all of a file in memory, so that it stands at its start and cannot be changed any more."""
    os.truncate(descriptor, len(content))
    written = 0
    with memoryview(content) as view:
        while written < len(content):
            written += os.pwrite(descriptor, view[written:], written)
    seal(descriptor)


def seal(descriptor: int) -> None:
    """Keep a file in memory from being changed any more, by all processes that have it."""
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)


def append(descriptor: int, content: bytes) -> None:
    """Write at the place where a file stands, all of it."""
    with memoryview(content) as view:
        written = 0
        while written < len(content):
            written += os.write(descriptor, view[written:])


def append_file(descriptor: int, source: int) -> None:
    """Copy all of another file, wherever that stands, to the place where a file stands."""
    offset, end = 0, os.fstat(source).st_size
    while offset < end:
        offset += os.sendfile(descriptor, source, offset, end - offset)


def read_all(descriptor: int) -> bytes:
    """Return all of a file, wherever it stands."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def pieces_of(descriptor: int) -> Iterator[bytes]:
    """Yield all of a file, wherever it stands, piece by piece."""
    offset = 0
    while piece := os.pread(descriptor, _PIECE_BYTES, offset):
        offset += len(piece)
        yield piece


@contextmanager
def sealed_file(name: str, content: bytes) -> Iterator[int]:
    """Open a file in memory that stands at its start and cannot be changed.

    Args:
        name: As /proc shows it.
        content: All of it.
    """
    with memory_file(name) as descriptor:
        fill(descriptor, content)
        yield descriptor


def sealed_copy(source: IO[bytes]) -> int:
    """Copy a file into one in memory that cannot be changed. The caller closes the descriptor."""
    descriptor = new_memory_file("copy")
    with os.fdopen(descriptor, "wb", closefd=False) as copy:
        shutil.copyfileobj(source, copy)
    os.lseek(descriptor, 0, os.SEEK_SET)
    seal(descriptor)
    return descriptor


def write_executable(path: Path, content: bytes) -> None:
    """Write a file that everybody may run, as a whole or not at all; not if it is there already."""
    if path.exists() and path.read_bytes() == content:
        return
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), 0o755)
    Path(unfinished).replace(path)


def new_memory_file(name: str) -> int:
    """Open an empty file in memory, which the caller closes."""
    return os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def lock_directory(path: Path | str, *, parent: int | None = None) -> int:
    """Open a directory and lock it, for as long as the returned descriptor is open.

    Args:
        path: Its path, or its name in `parent`. A symbolic link is refused.
        parent: The descriptor of a directory.

    Raises:
        OSError: Another process holds its lock, or there is no such directory.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | _DIRECTORY, dir_fd=parent)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def remove_tree(parent: int, name: str) -> None:
    """Remove a directory and all that a program has put there.

    Goes by directory descriptors and follows no link. A directory inside is moved up before it is looked
    into, so that neither the depth of the tree nor its modes matter.

    Args:
        parent: A descriptor of the directory that `name` is in. Names beginning with `name` are taken.
        name: The directory to remove.
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
    """Open a directory after giving its owner all rights to it."""
    path = os.open(name, os.O_PATH | _DIRECTORY, dir_fd=parent)
    try:
        Path(f"/proc/self/fd/{path}").chmod(0o700)  # chmod(2) has no form that follows no link
    finally:
        os.close(path)
    return os.open(name, os.O_RDONLY | _DIRECTORY, dir_fd=parent)
