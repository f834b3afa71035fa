"""Files below a directory, reached in a way that nothing planted in it can lead out of it.

Every step is relative to the descriptor of the directory before it and follows no symbolic link, so that a
path cannot change its meaning between a check and its use.
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
# Without O_NONBLOCK, opening a FIFO waits for its other end.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK_BYTES = 1 << 20
_C_LIBRARY = ctypes.CDLL(None, use_errno=True)
# The errors of a path that leads to no file: ELOOP of a link, ENXIO of a socket.
_NO_FILE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO}
# The errors of a file that is missing, or cannot have another name: on file systems without links, or because
# it has too many names, or another owner.
_NOT_LINKED = {*_NO_FILE, errno.EEXIST, errno.EMLINK, errno.EPERM, errno.EXDEV, errno.EOPNOTSUPP}
# A directory that is removed while a file is on its way into it is made anew this often.
_ATTEMPTS = 100
# A writer that has not written for so long did not live to finish.
_ABANDONED_AFTER_S = 600


class Readable(Protocol):
    """A stream of bytes, read piece by piece; empty at its end."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most so many."""


class Tree:
    """A directory whose files are replaced whole.

    Args:
        root: A directory. It may be reached through symbolic links; nothing below it may.
        incoming: The name of the directory below the root where files are written before they appear.
        durable: Whether a file that `write` returned from survives a power failure.
    """

    def __init__(self, root: Path, incoming: str, *, durable: bool) -> None:
        self._root = root
        self._incoming = (incoming,)
        self._durable = durable

    def prepare(self) -> None:
        """Make the root if it is missing, and remove the drafts of writers that ended early.

        Raises:
            OSError: The root cannot be made, or the drafts cannot be listed or removed.
        """
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.directory(self._incoming, create=True) as incoming, os.scandir(incoming) as drafts:
            for draft in drafts:
                with suppress(FileNotFoundError, IsADirectoryError):
                    if time.time() - draft.stat(follow_symlinks=False).st_mtime > _ABANDONED_AFTER_S:
                        os.unlink(draft.name, dir_fd=incoming)

    @contextmanager
    def directory(self, names: Sequence[str], *, create: bool = False, sync: bool = True) -> Iterator[int]:
        """Open a directory below the root; give its descriptor.

        Args:
            names: Its names, from the root on.
            create: Whether to make it if it is missing.
            sync: Whether one that is made is to survive a power failure.

        Raises:
            OSError: FileNotFoundError if it is missing, NotADirectoryError if a link or a file is in its way.
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
        """Store a file, whole or not at all, in place of anything that is there but a directory.

        Raises:
            OSError: It could not be stored; the former content remains.
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
        """Store files, and wait for the disk once for all of them.

        Each is made under its own name, which takes a fifth of the time of a draft and its renaming. So one
        that was not there may be seen before it is whole: it is to be looked for when this has returned. One
        that was there is replaced as `write` does.

        Raises:
            OSError: Some could not be stored; of the new ones none is left.
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
        """Make new files in a directory, and note them; return the names that something has already."""
        left, taken = dict(contents), []
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self.directory(parents, create=True, sync=False) as parent:  # all is, at the end
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
            except FileNotFoundError:  # the directory was removed meanwhile, with nothing in it
                if attempt == _ATTEMPTS:
                    raise
        return taken

    def read(self, names: Sequence[str], max_bytes: int) -> bytes | None:
        """Return a file's content, cut after one byte more than `max_bytes`; None if there is no such file.

        Raises:
            OSError: It could not be read.
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
        """Give a file a further name that nothing has yet; return False if that cannot be done here.

        Files are replaced whole and never written to, so that neither name can change the other's content.

        Raises:
            OSError: The target could not be stored.
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
        """Remove a file, or a link in its place, if it is there, and the directories that are empty then.

        Raises:
            OSError: It could not be removed.
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
        """Yield the names of each regular file and its status, as the file system lists them.

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
        """Remove the directories that have become empty; a writer makes its own again."""
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
        """Move a draft to its name in a directory."""
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
        """Raise an error, unless it means that a file is missing while the root is there."""
        if error.errno not in _NO_FILE:
            raise error
        self._root.stat()

    def _sync(self, descriptor: int) -> None:
        if self._durable:
            os.fsync(descriptor)


def _sync_file_system(descriptor: int) -> None:
    """Wait until all that was written to a descriptor's file system is on its disk."""
    try:
        sync = _C_LIBRARY.syncfs
    except AttributeError:  # Linux alone has it
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
