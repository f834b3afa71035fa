"""The collection of files that a program wrote, from its directory, once none of its processes is left.

Everything is opened by the descriptor of the directory that it is in, and no link is followed: what a program
has put there can neither lead out nor hold the service up.
"""

import os
import stat
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from adapters.local_engine.sandbox.files import open_unlocked
from application.file_spool import FileSpool
from application.new_files import NewFile
from domain.artifacts import ArtifactLimits, PathMatcher
from domain.blob import BlobRef
from domain.errors import InvalidValue
from domain.files import FilePath

# The descriptor of a file's directory, its path and its name.
_Match: TypeAlias = tuple[int, str, str]
_PIECE = 256 << 10
_DEPTH = 32
# So many characters of names are looked at: with the dearest patterns, two seconds of processor time.
_MOST_CHARACTERS = 1 << 20
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFiles:
    """The files that are wanted of a program.

    Attributes:
        matcher: Of their paths.
        given: The files that it was given, by their paths: one that is the same was not written by it.
        limits: The bounds of their number and sizes.
    """

    matcher: PathMatcher
    limits: ArtifactLimits
    given: Mapping[str, BlobRef] = field(default_factory=dict)


@dataclass(slots=True)
class CollectedFiles:
    """The files that were found.

    Attributes:
        files: In the order of their paths.
        spool: Has their contents.
        left_out: The number of files that match and are not here: too many, too large, or changed meanwhile.
            One for all that were not looked at.
    """

    spool: FileSpool
    files: list[NewFile] = field(default_factory=list)
    left_out: int = 0


def collect(directory: int, wanted: WantedFiles) -> CollectedFiles:
    """Collect regular files with one name only, whose paths are safe and match.

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


@dataclass(frozen=True, slots=True)
class _Directory:
    """A directory that is open.

    Attributes:
        path: Its path with a slash behind it, empty for the first one.
        state: The matcher's, behind that path.
        names: The ones that have not been looked at, and which are directories, the last path first.
    """

    descriptor: int
    path: str
    state: int
    names: list[tuple[str, bool]] = field(default_factory=list)

    def list_names(self, most: int) -> int:
        """List files and directories, as long as their names have no more characters; return how many."""
        characters = 0
        with os.scandir(self.descriptor) as entries:
            for entry in entries:
                characters += len(entry.name)
                if characters > most:
                    break
                is_directory = entry.is_dir(follow_symlinks=False)
                if is_directory or entry.is_file(follow_symlinks=False):
                    self.names.append((entry.name, is_directory))
        # What is in a directory comes where its path with a slash does.
        self.names.sort(key=lambda row: f"{row[0]}/" if row[1] else row[0], reverse=True)
        return characters


def _matching(
    directory: int, matcher: PathMatcher, device: int, collected: CollectedFiles
) -> Generator[_Match, None, None]:
    """Yield the files that match, in the order of their paths, as long as there are not too many names.

    A directory is opened once, by the descriptor of the one that it is in.
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
            name, is_directory = here.names.pop()
            path, state = here.path + name, matcher.feed(here.state, name)
            if not state or not _is_safe(path):
                continue
            if not is_directory and matcher.accepts(state):
                yield here.descriptor, path, name
            elif is_directory and len(open_directories) <= _DEPTH and (inside := matcher.feed(state, "/")):
                descriptor = _opened(here.descriptor, name, device)
                below = None if descriptor is None else _Directory(descriptor, f"{path}/", inside)
    finally:
        for each in open_directories:
            os.close(each.descriptor)


def _opened(parent: int, name: str, device: int) -> int | None:
    """Open a directory; return None if it is none any more."""
    try:
        descriptor = open_unlocked(parent, name)
    except OSError:
        return None
    if os.fstat(descriptor).st_dev == device:
        return descriptor
    os.close(descriptor)
    return None


def _read(parent: int, name: str, path: str, device: int, most: int, spool: FileSpool) -> NewFile | None:
    """Read a file into the spool; None if it is none any more, or larger than it may be."""
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
    except PermissionError:  # its owner took away its own right to read it
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            raise
        handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        try:
            Path(f"/proc/self/fd/{handle}").chmod(0o600)  # chmod(2) has no form that follows no link
        finally:
            os.close(handle)
        return os.open(name, _FILE, dir_fd=directory)


def _pieces(read: Callable[[int], bytes | None], size: int) -> Iterator[bytes]:
    """Yield so many bytes, or fewer if there are no more: a file that grows has no end."""
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
