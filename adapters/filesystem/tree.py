"""Safe access to files below a directory: no link planted in it can lead outside.

Each path component is opened relative to the descriptor of its parent, without following symbolic links, so
that a path cannot change its meaning between a check and its use.
"""

import ctypes
import errno
import io
import os
import stat
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol
from uuid import uuid4

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a FIFO blocks until its other end is opened.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK_BYTES = 1 << 20
_C_LIBRARY = ctypes.CDLL(None, use_errno=True)
# The errors for a path without a file. ELOOP means a link, ENXIO a socket.
_NO_FILE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO}
# The errors for a file that is missing or cannot be linked: the file system has no links, or the file has too
# many links or another owner.
_NOT_LINKED = {*_NO_FILE, errno.EEXIST, errno.EMLINK, errno.EPERM, errno.EXDEV, errno.EOPNOTSUPP}
# The maximum number of attempts if a directory is removed while a file is being moved into it.
_ATTEMPTS = 100
# A draft that was not written to for this long belongs to a writer that died.
_ABANDONED_AFTER_S = 600


class Readable(Protocol):
    """A stream of bytes. A read returns nothing at its end."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, up to `size`."""


class Tree:
    """A directory whose files are replaced atomically.

    Args:
        root: A directory. Its own path may contain symbolic links; paths below it may not.
        incoming: The name of the directory below the root for drafts of files.
        durable: Whether a file survives a power failure once `write` has returned.
    """

    def __init__(self, root: Path, incoming: str, *, durable: bool) -> None:
        self._root = root
        self._incoming = (incoming,)
        self._durable = durable

    def prepare(self) -> None:
        """Create the root if it is missing, and remove the drafts of writers that died.

        Raises:
            OSError: The root cannot be created, or the drafts cannot be listed or removed.
        """
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.directory(self._incoming, create=True) as incoming, os.scandir(incoming) as drafts:
            for draft in drafts:
                with suppress(FileNotFoundError, IsADirectoryError):
                    if time.time() - draft.stat(follow_symlinks=False).st_mtime > _ABANDONED_AFTER_S:
                        os.unlink(draft.name, dir_fd=incoming)

    @contextmanager
    def directory(self, names: Sequence[str], *, create: bool = False, sync: bool = True) -> Iterator[int]:
        """Open a directory below the root, and yield its descriptor.

        Args:
            names: The path components below the root.
            create: Whether to create missing directories.
            sync: Whether created directories must survive a power failure.

        Raises:
            OSError: FileNotFoundError if it is missing, NotADirectoryError if a component is a link or a
                file.
        """
        descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in names:
                below = self._open_below(descriptor, name, create=create, sync=sync)
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)

    def write(self, names: Sequence[str], content: Readable) -> None:
        """Store a file atomically, replacing anything with its name except a directory.

        Raises:
            OSError: The file could not be stored; the previous content remains.
        """
        *parents, name = names
        with self.directory(self._incoming, create=True) as incoming:
            draft = uuid4().hex
            try:
                self._write_draft(incoming, draft, content)
                self._publish(incoming, draft, parents, name)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(draft, dir_fd=incoming)
                raise

    def write_all(self, files: Mapping[tuple[str, ...], bytes]) -> None:
        """Store files, and wait for the disk only once for all of them.

        New files are created under their final names, which takes a fifth of the time of writing and renaming
        a draft. Other processes may therefore see a new file before it is complete, and must not look for it
        before this method returns. Existing files are replaced as by `write`.

        Raises:
            OSError: A file could not be stored; all new files are removed.
        """
        by_directory: defaultdict[tuple[str, ...], dict[str, bytes]] = defaultdict(dict)
        for (*parents, name), content in files.items():
            by_directory[tuple(parents)][name] = content
        made: list[tuple[str, ...]] = []
        try:
            for directory, contents in by_directory.items():
                for name in self._make_all(directory, contents, made):
                    self.write((*directory, name), io.BytesIO(contents[name]))
            if self._durable and made:
                with self.directory(()) as root:
                    _sync_file_system(root)
        except BaseException:
            for names in made:
                with suppress(OSError):
                    self.remove(names)
            raise

    def _make_all(
        self, parents: tuple[str, ...], contents: Mapping[str, bytes], made: list[tuple[str, ...]]
    ) -> Sequence[str]:
        """Create new files in a directory and add them to `made`; return the names that exist already."""
        left, taken = dict(contents), []
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self.directory(parents, create=True, sync=False) as parent:  # synced at the end
                    while left:
                        name = next(iter(left))
                        try:
                            descriptor = os.open(name, _CREATE, 0o600, dir_fd=parent)
                        except FileExistsError:
                            taken.append(name)
                        else:
                            made.append((*parents, name))
                            try:
                                _write_all(descriptor, left[name])
                            finally:
                                os.close(descriptor)
                        del left[name]
                    break
            except FileNotFoundError:  # the directory was removed while it was empty
                if attempt == _ATTEMPTS:
                    raise
        return taken

    def read(self, names: Sequence[str], max_bytes: int) -> bytes | None:
        """Return up to `max_bytes` + 1 bytes of a file's content; None if the file does not exist.

        Raises:
            OSError: The file could not be read.
        """
        *parents, name = names
        try:
            with self.directory(parents) as parent:
                descriptor = os.open(name, _READ, dir_fd=parent)
        except OSError as error:
            self._expect_no_file(error)
            return None
        try:
            return _read_regular(descriptor, max_bytes)
        finally:
            os.close(descriptor)

    def link(self, source: Sequence[str], target: Sequence[str]) -> bool:
        """Link a file to another name that does not exist yet; return False if it cannot be linked.

        Files are replaced and never written to, so neither name can change the other's content.

        Raises:
            OSError: The target could not be created.
        """
        *source_parents, source_name = source
        *target_parents, target_name = target
        with self.directory(target_parents, create=True) as into:
            try:
                with self.directory(source_parents) as parent:
                    if not stat.S_ISREG(os.stat(source_name, dir_fd=parent, follow_symlinks=False).st_mode):
                        return False
                    os.link(
                        source_name,
                        target_name,
                        src_dir_fd=parent,
                        dst_dir_fd=into,
                        follow_symlinks=False,
                    )
            except OSError as error:
                if error.errno in _NOT_LINKED:
                    return False
                raise
            self._sync(into)
        return True

    def remove(self, names: Sequence[str]) -> None:
        """Remove a file or link, if it exists, and the directories that become empty.

        Raises:
            OSError: The file could not be removed.
        """
        *parents, name = names
        try:
            with self.directory(parents) as parent:
                os.unlink(name, dir_fd=parent)
                self._sync(parent)
            self._remove_empty(parents)
        except OSError as error:
            self._expect_no_file(error)

    def files(self, below: Sequence[str] = ()) -> Iterator[tuple[Sequence[str], os.stat_result]]:
        """Yield the path components and the status of each regular file, in no particular order.

        Raises:
            OSError: A directory could not be read.
        """
        try:
            with self.directory(below) as directory, os.scandir(directory) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if below or entry.name not in self._incoming:
                            yield from self.files((*below, entry.name))
                    elif entry.is_file(follow_symlinks=False):
                        with suppress(FileNotFoundError):
                            yield (*below, entry.name), entry.stat(follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):  # removed meanwhile
            self._root.stat()

    def _remove_empty(self, parents: Sequence[str]) -> None:
        """Remove the directories that have become empty; writers create theirs again."""
        with suppress(OSError):
            while parents:
                *above, name = parents
                with self.directory(above) as directory:
                    os.rmdir(name, dir_fd=directory)
                parents = above

    def _open_below(self, parent: int, name: str, *, create: bool, sync: bool) -> int:
        try:
            return os.open(name, _DIRECTORY, dir_fd=parent)
        except FileNotFoundError:
            if not create:
                raise
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
        if sync:
            self._sync(parent)
        return os.open(name, _DIRECTORY, dir_fd=parent)

    def _write_draft(self, incoming: int, draft: str, content: Readable) -> None:
        descriptor = os.open(draft, _CREATE, 0o600, dir_fd=incoming)
        with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123  (a descriptor has no path)
            while chunk := content.read(_CHUNK_BYTES):
                _write_all(file.fileno(), chunk)
            self._sync(descriptor)

    def _publish(self, incoming: int, draft: str, parents: Sequence[str], name: str) -> None:
        """Move a draft to its final name."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self.directory(parents, create=True) as parent:
                    os.rename(draft, name, src_dir_fd=incoming, dst_dir_fd=parent)
                    self._sync(parent)
                    return
            except FileNotFoundError:
                if attempt == _ATTEMPTS:
                    raise

    def _expect_no_file(self, error: OSError) -> None:
        """Raise an error, unless it means that a file is missing while the root exists."""
        if error.errno not in _NO_FILE:
            raise error
        self._root.stat()

    def _sync(self, descriptor: int) -> None:
        if self._durable:
            os.fsync(descriptor)


def _sync_file_system(descriptor: int) -> None:
    """Wait until all writes to a descriptor's file system are on disk."""
    try:
        sync = _C_LIBRARY.syncfs
    except AttributeError:  # only Linux has it
        os.sync()
        return
    if sync(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _read_regular(descriptor: int, max_bytes: int) -> bytes | None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return None
    with open(descriptor, "rb", closefd=False) as file:
        return file.read(min(status.st_size, max_bytes) + 1)


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
