"""The collection of files that a program wrote, from its directory, once none of its processes is left.

Everything is opened by the descriptor of the directory that it is in, and no link is followed: what a program
has put there can neither lead out nor hold the service up.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adapters.local_engine.sandbox.files import open_unlocked
from application.file_spool import FileSpool
from application.new_files import NewFile
from domain.artifacts import ArtifactLimits, PathMatcher
from domain.blob import BlobRef
from domain.errors import InvalidValue
from domain.files import FilePath

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
    matching = sorted(_matching(directory, wanted.matcher, device, collected))
    for path in matching:
        if len(collected.files) >= wanted.limits.files or total >= wanted.limits.total_bytes:
            collected.left_out += 1
            continue
        most = min(wanted.limits.file_bytes, wanted.limits.total_bytes - total)
        file = _read(directory, path, device, most, collected.spool)
        if file is None:
            collected.left_out += 1
        elif wanted.given.get(path) != file.blob.ref:
            total += file.blob.ref.size
            collected.files.append(file)
    return collected


def _matching(directory: int, matcher: PathMatcher, device: int, collected: CollectedFiles) -> Iterator[str]:
    """Yield the paths of files that match, as long as there are not too many names."""
    left = _MOST_CHARACTERS
    # Paths and states, not descriptors: there may be many directories side by side.
    pending = [("", matcher.start)]
    while pending:
        parent, state = pending.pop()
        with _opened(directory, parent, device) as descriptor:
            if descriptor is None:
                continue
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    left -= len(entry.name)
                    if left < 0:
                        collected.left_out += 1
                        return
                    path, here = parent + entry.name, matcher.feed(state, entry.name)
                    if not here or not _is_safe(path):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        below = matcher.feed(here, "/")
                        if below and path.count("/") < _DEPTH:
                            pending.append((f"{path}/", below))
                    elif entry.is_file(follow_symlinks=False) and matcher.accepts(here):
                        yield path


@contextmanager
def _opened(directory: int, path: str, device: int) -> Iterator[int | None]:
    """Open a directory below another, one name after the other; give None if it is none any more."""
    descriptor = os.dup(directory)
    try:
        try:
            for name in filter(None, path.split("/")):
                below = open_unlocked(descriptor, name)
                os.close(descriptor)
                descriptor = below
            is_here = os.fstat(descriptor).st_dev == device
        except OSError:
            is_here = False
        yield descriptor if is_here else None
    finally:
        os.close(descriptor)


def _read(directory: int, path: str, device: int, most: int, spool: FileSpool) -> NewFile | None:
    """Read a file into the spool; None if it is none any more, or larger than it may be."""
    parent, _, name = path.rpartition("/")
    with _opened(directory, parent, device) as descriptor:
        if descriptor is None:
            return None
        try:
            file = os.fdopen(_open_file(descriptor, name), "rb", buffering=0)
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
