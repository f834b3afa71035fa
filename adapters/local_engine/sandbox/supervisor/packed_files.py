"""Files of a program's directory, packed in one file in memory for any number of sandboxes."""

import json
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

_LENGTH = struct.Struct("<Q")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_MODE, _EXECUTABLE_MODE, _DIRECTORY_MODE = 0o644, 0o755, 0o755

# The path of a file, its size, and whether it may be run.
Row: TypeAlias = tuple[str, int, bool]


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file of a program's directory.

    Attributes:
        path: Relative, with `/` between its names, none of which is empty, `.` or `..`.
    """

    path: str
    content: bytes
    is_executable: bool = False


def pack(files: Iterable[PackedFile], directories: Iterable[str] = ()) -> bytes:
    """Pack files, and directories that may be empty.

    Raises:
        ValueError: A path leads out of the directory.
    """
    return _packed(list(directories), [], b"", list(files))


def extend(packed: int, files: Iterable[PackedFile]) -> bytes:
    """Pack more files beside packed ones.

    Args:
        packed: A descriptor of packed files. Its offset does not matter.
        files: The others.

    Raises:
        ValueError: A path leads out of the directory.
    """
    directories, rows, offset = _read_table(packed)
    size = sum(size for _path, size, _is_executable in rows)
    return _packed(directories, rows, os.pread(packed, size, offset), list(files))


def unpack(packed: int, directory: str, owner: int | None = None) -> None:
    """Fill an empty directory that no other process can reach yet.

    Args:
        packed: A descriptor of packed files. Its offset does not matter.
        directory: The path of the directory.
        owner: The user and group id of all; None for the present ones.

    Raises:
        OSError: There is no room for them.
    """
    directories, rows, offset = _read_table(packed)
    made = {""}
    for path in directories:
        _make_directories(path, directory, owner, made)
    for path, size, is_executable in rows:
        _make_directories(path.rpartition("/")[0], directory, owner, made)
        mode = _EXECUTABLE_MODE if is_executable else _FILE_MODE
        file = os.open(f"{directory}/{path}", _NEW, mode)
        try:
            end = offset + size
            while offset < end:
                offset += os.sendfile(file, packed, offset, end - offset)
            os.fchmod(file, mode)
            if owner is not None:
                os.fchown(file, owner, owner)
        finally:
            os.close(file)


def _packed(directories: list[str], rows: list[Row], content: bytes, files: list[PackedFile]) -> bytes:
    for path in (*(file.path for file in files), *directories):
        if not {"", ".", ".."}.isdisjoint(path.split("/")) or "\0" in path:
            raise ValueError(f"{path!r} is no path within a directory")
    rows = [*rows, *((file.path, len(file.content), file.is_executable) for file in files)]
    table = json.dumps([directories, rows]).encode()
    return b"".join([_LENGTH.pack(len(table)), table, content, *(file.content for file in files)])


def _read_table(packed: int) -> tuple[list[str], list[Row], int]:
    """Return the directories, the rows of the files, and the place of their contents."""
    (length,) = _LENGTH.unpack(os.pread(packed, _LENGTH.size, 0))
    directories, rows = json.loads(os.pread(packed, length, _LENGTH.size))
    return directories, [tuple(row) for row in rows], _LENGTH.size + length


def _make_directories(path: str, directory: str, owner: int | None, made: set[str]) -> None:
    missing: list[str] = []
    while path not in made:
        missing.append(path)
        path = path.rpartition("/")[0]
    for each in reversed(missing):
        made.add(each)
        os.mkdir(f"{directory}/{each}")
        os.chmod(f"{directory}/{each}", _DIRECTORY_MODE)
        if owner is not None:
            os.chown(f"{directory}/{each}", owner, owner)
