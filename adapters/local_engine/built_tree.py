"""The files of a build: copied out of its sandbox as an archive, and packed."""

import os
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from typing import IO

from adapters.local_engine.sandbox.files import append
from adapters.local_engine.sandbox.program import Program
from adapters.local_engine.sandbox.supervisor.packed_files import LONGEST_PATH, directory_record, file_header
from domain.limits import Limits

_COPY_TIMEOUT_MS = 60_000
_TAR = ("--create", "--format=gnu", "--hard-dereference", "--file=-", ".")
# The packed files of a build are in memory while its cases run, and a second time while they are stored.
MOST_TREE_MB = 128
CASE_DIRECTORY = ".case"
# Size of a file's entry in the archive without the content: headers, path and padding to a block.
_ENTRY_BYTES = 4 << 10
_MIB = _PIECE_BYTES = 1 << 20
_FILES = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE})
_LONG_NAMES = frozenset({tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK})
_LEFT_OUT = frozenset({tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE})


def tree_copier(program: Program, tar: str) -> Program:
    """Return a program with the same build, which writes the files of the build to stdout."""
    limits = replace(
        program.limits,
        timeout_ms=_COPY_TIMEOUT_MS,
        cpu_time_ms=_COPY_TIMEOUT_MS,
        output_mb=-(-(_most_bytes(program.limits) + _ENTRY_BYTES * _most_entries(program.limits)) // _MIB),
        processes=max(program.limits.processes, 2),
    )
    return replace(
        program,
        run=(tar, *_TAR),
        arguments=(),
        stdin=b"",
        settings={},
        variables={},
        secrets={},
        limits=limits,
        build_output_mb=program.limits.output_mb,
        rlimits={},
        out_of_memory=(),
    )


class TreeTooLarge(Exception):
    """The files of a build do not fit the program's directory."""


class NameTaken(Exception):
    """A build left a file with the name of the case directory."""


def read_tree(archive: IO[bytes], limits: Limits, packed: int) -> None:
    """Read the files of a build from the archive that was written in its sandbox, and pack them.

    Links are skipped, because no compiler makes any. The archive is untrusted: a compiler can be made to run
    the caller's code, which can write an archive of its own. So sizes in headers are checked against the
    limits, and reading takes linear time and little memory.

    Args:
        archive: An archive in GNU tar's format.
        limits: The limits of the program, whose directory the files must fit. Holes in files count.
        packed: The descriptor of the file to write the packed files to.

    Raises:
        ValueError: The archive has another format.
        TreeTooLarge: There are too many files, or they are too large.
        NameTaken: A file has the name of the case directory.
    """
    left_bytes = _most_bytes(limits)
    for number, member in enumerate(_members(archive)):
        if number == _most_entries(limits):
            raise TreeTooLarge
        path = member.name.removeprefix("./").rstrip("/")
        if path.partition("/")[0] == CASE_DIRECTORY:
            raise NameTaken
        if member.isdir() and path not in {"", "."}:
            append(packed, directory_record(path))
        elif member.type in _FILES:
            left_bytes -= member.size
            if left_bytes < 0:
                raise TreeTooLarge
            append(packed, file_header(path, member.size, is_executable=bool(member.mode & 0o100)))
            _copy_padded(archive, member.size, packed)


def _most_bytes(limits: Limits) -> int:
    return min(limits.disk_mb, MOST_TREE_MB) * _MIB


def _most_entries(limits: Limits) -> int:
    return limits.files + 1  # the directory itself


def _members(archive: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an archive. The caller reads the content of a file before the next member.

    The tarfile module would trust the sizes in headers, and takes quadratic time for some archives.
    """
    long_name: str | None = None
    while (header := _read_exactly(archive, tarfile.BLOCKSIZE)).strip(b"\0"):
        try:
            member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except (tarfile.TarError, OverflowError) as error:
            raise ValueError("its archive is damaged") from error
        if member.type in _LONG_NAMES:
            if not 0 <= member.size <= LONGEST_PATH:
                raise ValueError("a path is too long")
            name = os.fsdecode(_read_padded(archive, member.size).split(b"\0", 1)[0])
            if member.type == tarfile.GNUTYPE_LONGNAME:
                long_name = name
            continue
        is_known = member.isdir() or member.type in _FILES | _LEFT_OUT
        if not is_known or member.size < 0 or (member.size and member.type not in _FILES):
            raise ValueError("its archive has an entry of an unknown kind")
        if long_name is not None:
            member.name, long_name = long_name, None
        yield member


def _read_padded(archive: IO[bytes], size: int) -> bytes:
    content = _read_exactly(archive, size)
    _read_exactly(archive, -size % tarfile.BLOCKSIZE)
    return content


def _copy_padded(archive: IO[bytes], size: int, packed: int) -> None:
    for offset in range(0, size, _PIECE_BYTES):
        append(packed, _read_exactly(archive, min(_PIECE_BYTES, size - offset)))
    _read_exactly(archive, -size % tarfile.BLOCKSIZE)


def _read_exactly(archive: IO[bytes], size: int) -> bytes:
    content = archive.read(size)
    if len(content) != size:
        raise ValueError("its archive is truncated")
    return content
