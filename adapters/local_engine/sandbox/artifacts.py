"""Collection of the files that a program wrote, once its last process has ended.

Each file is opened relative to the descriptor of its directory, and no link is followed. So a program can
neither lead the service out of the directory nor make it block.
"""

import os
import stat
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

from adapters.local_engine.sandbox.files import open_unlocked
from application.file_spool import FileSpool
from application.new_files import NewFile
from domain.artifacts import ArtifactLimits, PathMatcher
from domain.blob import BlobRef
from domain.errors import InvalidValue
from domain.files import FilePath, is_reserved

# The descriptor of a file's directory, its path and its name.
_Match: TypeAlias = tuple[int, str, str]
_PIECE = 256 << 10
_DEPTH = 32
# The number of characters of names that are matched, at most. The most expensive patterns take two seconds of
# processor time for them.
_MOST_CHARACTERS = 1 << 20
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFiles:
    """The files to collect from a program's directory.

    Attributes:
        matcher: Matches their paths.
        given: The files that the program was given, by path. An unchanged one is not collected.
        limits: The limits on their number and sizes.
    """

    matcher: PathMatcher
    limits: ArtifactLimits
    given: Mapping[str, BlobRef] = field(default_factory=dict)


@dataclass(slots=True)
class CollectedFiles:
    """The files that were collected.

    Attributes:
        files: The files, in the order of their paths.
        spool: Holds the contents of the files.
        left_out: The number of matching files that were not collected: too many, too large, changed
            meanwhile, links and other special files, or in paths that are unsafe or too deep. All files that
            were not examined count as one, and so does each directory.
        are_lost: Whether they could not be kept until they are stored, because this machine's disk is full.
    """

    spool: FileSpool
    files: list[NewFile] = field(default_factory=list)
    left_out: int = 0
    are_lost: bool = False


def collect(directory: int, wanted: WantedFiles) -> CollectedFiles:
    """Collect the regular files without other hard links whose paths are safe and match.

    Args:
        directory: The descriptor of the program's directory.
        wanted: The files.
    """
    collected = CollectedFiles(FileSpool())
    device = os.fstat(directory).st_dev
    total = 0
    with closing(_matching(directory, wanted.matcher, device, collected)) as matching:
        for parent, path, name in matching:
            if len(collected.files) >= wanted.limits.files or total >= wanted.limits.total_bytes:
                collected.left_out += 1
                continue
            most = min(wanted.limits.file_bytes, wanted.limits.total_bytes - total)
            file = _read(parent, name, path, device, most, collected.spool)
            if file is None:
                collected.left_out += 1
            elif wanted.given.get(path) != file.blob.ref:
                total += file.blob.ref.size
                collected.files.append(file)
    return collected


class _Name(NamedTuple):
    """A name in a directory: of a directory, a regular file, or otherwise a link or a special file."""

    name: str
    is_directory: bool
    is_regular: bool


@dataclass(frozen=True, slots=True)
class _Directory:
    """An open directory.

    Attributes:
        path: The path with a trailing slash; empty for the program's directory itself.
        state: The state of the matcher after that path.
        names: The names that are still to be examined, the last path first.
    """

    descriptor: int
    path: str
    state: int
    names: list[_Name] = field(default_factory=list)

    def list_names(self, most: int) -> int:
        """List the names until they exceed `most` characters; return the characters.

        The names that the sandbox uses itself are not listed.
        """
        characters = 0
        with os.scandir(self.descriptor) as entries:
            for entry in entries:
                characters += len(entry.name)
                if characters > most:
                    break
                if not self.path and is_reserved(entry.name):
                    continue
                is_directory = entry.is_dir(follow_symlinks=False)
                self.names.append(_Name(entry.name, is_directory, entry.is_file(follow_symlinks=False)))
        # The content of a directory sorts by its path with a slash.
        self.names.sort(key=lambda each: f"{each.name}/" if each.is_directory else each.name, reverse=True)
        return characters


def _matching(
    directory: int, matcher: PathMatcher, device: int, collected: CollectedFiles
) -> Generator[_Match, None, None]:
    """Yield the matching files in the order of their paths, until there are too many names.

    Each directory is opened once, relative to the descriptor of its parent.
    """
    left = _MOST_CHARACTERS
    open_directories: list[_Directory] = []
    try:
        below: _Directory | None = _Directory(os.dup(directory), "", matcher.start)
        while below is not None or open_directories:
            if below is not None:
                open_directories.append(below)
                if left >= 0:
                    left -= below.list_names(left)
                    collected.left_out += left < 0
                below = None
            here = open_directories[-1]
            if not here.names:
                os.close(open_directories.pop().descriptor)
                continue
            name, is_directory, is_regular = here.names.pop()
            path, state = here.path + name, matcher.feed(here.state, name)
            if is_directory and (inside := matcher.feed(state, "/")):
                is_near = len(open_directories) <= _DEPTH and _is_safe(path)
                descriptor = _opened(here.descriptor, name, device) if is_near else None
                below = None if descriptor is None else _Directory(descriptor, f"{path}/", inside)
                collected.left_out += below is None
            elif not is_directory and matcher.accepts(state):
                if is_regular and _is_safe(path):
                    yield here.descriptor, path, name
                else:
                    collected.left_out += 1
    finally:
        for each in open_directories:
            os.close(each.descriptor)


def _opened(parent: int, name: str, device: int) -> int | None:
    """Open a directory; return None if it is no longer one, or is on another file system."""
    try:
        descriptor = open_unlocked(parent, name)
    except OSError:
        return None
    if os.fstat(descriptor).st_dev == device:
        return descriptor
    os.close(descriptor)
    return None


def _read(parent: int, name: str, path: str, device: int, most: int, spool: FileSpool) -> NewFile | None:
    """Read a file into the spool; return None if it is no longer a regular file, or too large."""
    try:
        file = os.fdopen(_open_file(parent, name), "rb", buffering=0)
    except OSError:
        return None
    with closing(file):
        status = os.fstat(file.fileno())
        is_own = stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_dev == device
        if not is_own or status.st_size > most:
            return None
        return NewFile(path, spool.add(_pieces(file.read, status.st_size)))


def _open_file(directory: int, name: str) -> int:
    try:
        return os.open(name, _FILE, dir_fd=directory)
    except PermissionError:  # the program removed its own permission to read
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            raise
        handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        try:
            Path(f"/proc/self/fd/{handle}").chmod(0o600)  # chmod(2) always follows links
        finally:
            os.close(handle)
        return os.open(name, _FILE, dir_fd=directory)


def _pieces(read: Callable[[int], bytes | None], size: int) -> Iterator[bytes]:
    """Yield at most `size` bytes, because a growing file may have no end."""
    while size > 0 and (piece := read(min(size, _PIECE))):
        size -= len(piece)
        yield piece


def _is_safe(path: str) -> bool:
    """Whether a path has only names that a caller could have given to a file."""
    try:
        FilePath(path)
    except InvalidValue:
        return False
    return True
