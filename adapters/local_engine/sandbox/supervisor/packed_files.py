"""Packed files: the files of a program's directory in one file in memory, for any number of sandboxes.

The file is a sequence of records, so it can be written and read in pieces and extended by appending records.
A record has the kind, the length of the path, the size of the content, the path and the content.
"""

import errno
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_HEADER = struct.Struct("<BHQ")
_KINDS = _FILE, _EXECUTABLE, _DIRECTORY = range(3)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_MODE, _EXECUTABLE_MODE, _DIRECTORY_MODE = 0o644, 0o755, 0o755
LONGEST_PATH = 16 << 10
# Files below these limits are unpacked within two milliseconds, about as long as forking a process takes.
_FEW_BYTES = 1 << 20
_FEW_NAMES = 32


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file of a program's directory.

    Attributes:
        path: A relative path of names separated by `/`, none of which is empty, `.` or `..`.
    """

    path: str
    content: bytes
    is_executable: bool = False


@dataclass(frozen=True, slots=True)
class _Record:
    kind: int
    path: str
    offset: int
    size: int


def pack(files: Iterable[PackedFile], directories: Iterable[str] = ()) -> bytes:
    """Pack files, and directories that may be empty.

    Raises:
        ValueError: A path leads out of the directory.
    """
    return b"".join([*map(directory_record, directories), *(each for file in files for each in _parts(file))])


def directory_record(path: str) -> bytes:
    """Return the record of a directory that may be empty.

    Raises:
        ValueError: The path leads out of the directory.
    """
    return _header(_DIRECTORY, path, 0)


def file_header(path: str, size: int, *, is_executable: bool) -> bytes:
    """Return the header of a file's record, to be followed by the content.

    Raises:
        ValueError: The path leads out of the directory.
    """
    return _header(_EXECUTABLE if is_executable else _FILE, path, size)


def are_few(packed: int) -> bool:
    """Whether there are so few and small packed files that unpacking them takes no noticeable time.

    Args:
        packed: A descriptor of packed files. Its offset does not matter.

    Raises:
        OSError: A record is damaged.
    """
    if os.fstat(packed).st_size > _FEW_BYTES:
        return False
    names = 0
    for record in _records(packed):
        names += record.path.count("/") + 1
        if names > _FEW_NAMES:
            return False
    return True


def unpack(packed: int, directory: str, owner: int | None = None) -> None:
    """Unpack files to an empty directory that no other process can access yet.

    Args:
        packed: A descriptor of packed files. Its offset does not matter.
        directory: The path of the directory.
        owner: The user and group id of the files; None for those of this process.

    Raises:
        OSError: There is no room for the files, or a record is damaged.
    """
    made = {""}
    for record in _records(packed):
        if record.kind == _DIRECTORY:
            _make_directories(record.path, directory, owner, made)
            continue
        _make_directories(record.path.rpartition("/")[0], directory, owner, made)
        mode = _EXECUTABLE_MODE if record.kind == _EXECUTABLE else _FILE_MODE
        file = os.open(f"{directory}/{record.path}", _NEW, mode)
        try:
            offset, end = record.offset, record.offset + record.size
            while offset < end:
                offset += os.sendfile(file, packed, offset, end - offset)
            os.fchmod(file, mode)
            if owner is not None:
                os.fchown(file, owner, owner)
        finally:
            os.close(file)


def _parts(file: PackedFile) -> tuple[bytes, bytes]:
    return file_header(file.path, len(file.content), is_executable=file.is_executable), file.content


def _header(kind: int, path: str, size: int) -> bytes:
    encoded = os.fsencode(path)
    if not _is_inside(path) or len(encoded) > LONGEST_PATH:
        raise ValueError(f"{path[:200]!r} is not a path within the directory")
    return _HEADER.pack(kind, len(encoded), size) + encoded


def _is_inside(path: str) -> bool:
    return {"", ".", ".."}.isdisjoint(path.split("/")) and "\0" not in path


def _records(packed: int) -> Iterator[_Record]:
    offset, end = 0, os.fstat(packed).st_size
    while offset < end:
        header = os.pread(packed, _HEADER.size, offset)
        if len(header) < _HEADER.size:
            raise OSError(errno.EBADMSG, "Packed files end within a header")
        kind, length, size = _HEADER.unpack(header)
        path = os.fsdecode(os.pread(packed, length, offset + _HEADER.size))
        offset += _HEADER.size + length
        if kind not in _KINDS or not _is_inside(path) or offset + size > end:
            raise OSError(errno.EBADMSG, "Packed files have a damaged record")
        yield _Record(kind, path, offset, size)
        offset += size


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
