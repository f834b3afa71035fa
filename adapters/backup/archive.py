"""Backup file of a data directory, written while the service runs and restored to an empty directory."""

import gzip
import io
import json
import os
import shutil
import sqlite3
import stat
import tarfile
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from application.errors import Conflict, DependencyUnavailable, NotFound, Unprocessable

_MANIFEST = "backup.json"
_FORMAT = 1
# A higher level costs time and gains little, because most objects are text.
_COMPRESSION = 1
# SQLite's files beside a database, with changes that are not in it yet (https://www.sqlite.org/tempfiles.html).
_COMPANIONS = ("-wal", "-shm", "-journal")
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Backup:
    """The number of objects in a backup, and the size of its file in bytes."""

    objects: int
    size: int


class BackupArchive:
    """Packs a data directory into one file while the service runs, and unpacks it.

    An object is stored before a row references it, and never changes. Therefore the database is copied first,
    as one snapshot, and the objects after it: only references of jobs deleted meanwhile may dangle. Results
    that wait for the log store are copied both before and after the database, because they come and go.

    Args:
        directory: The data directory.
        database: The name of the database file in the data directory.
        stores: The names of the object directories in it.
        waiting: The name of the directory of results that wait for their logs to be stored.
        drafts: The names of directories with incomplete files, which are left out.
    """

    def __init__(
        self, directory: Path, database: str, stores: Sequence[str], waiting: str, drafts: Sequence[str]
    ) -> None:
        self._directory = directory
        self._database = database
        self._stores = stores
        self._waiting = waiting
        self._drafts = frozenset(drafts)

    def write(self, target: Path) -> Backup:
        """Write a backup atomically, replacing an existing file once the new one is complete and on disk.

        Raises:
            NotFound: There is no database in the data directory.
            DependencyUnavailable: A file cannot be read or written.
        """
        if not (self._directory / self._database).is_file():
            raise NotFound("database", self._directory / self._database)
        with _told(f"backup to {target}"):
            with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.absolute().parent) as scratch:
                draft = Path(scratch) / "draft"
                draft.touch(mode=0o600)
                with draft.open("wb") as file:
                    objects = self._pack_into(file, Path(scratch) / "database")
                    file.flush()
                    os.fsync(file.fileno())
                    size = file.tell()
                draft.replace(target)
            _sync_directory(target.absolute().parent)
        return Backup(objects, size)

    def restore(self, source: Path) -> Backup:
        """Unpack a backup into the data directory, which must not have a database.

        Raises:
            NotFound: The file does not exist.
            Conflict: The data directory has a database.
            Unprocessable: The file is no backup, or is damaged.
            DependencyUnavailable: A file cannot be read or written.
        """
        if not source.is_file():
            raise NotFound("backup", source)
        if (self._directory / self._database).exists():
            raise Conflict(
                f"{self._directory} has data already; SERVICE_SERVER_DATA_DIR names an empty directory, or a "
                "new one, to restore to"
            )
        with (
            _told(f"restoring {source}"),
            tempfile.TemporaryDirectory(prefix=".restore-", dir=self._directory) as scratch,
        ):
            unpacked = Path(scratch)
            try:
                objects = self._unpack(source, unpacked)
            except (tarfile.TarError, EOFError, gzip.BadGzipFile, ValueError, sqlite3.DatabaseError) as error:
                raise Unprocessable("file", f"{source} is not a backup or is damaged: {error}") from error
            os.sync()
            for name in (*self._stores, self._waiting):
                if (unpacked / name).is_dir():
                    (unpacked / name).replace(self._directory / name)
            for suffix in _COMPANIONS:  # SQLite would apply those of a removed database to this one
                (self._directory / f"{self._database}{suffix}").unlink(missing_ok=True)
            (unpacked / self._database).replace(self._directory / self._database)
            _sync_directory(self._directory)
        return Backup(objects, source.stat().st_size)

    def _pack_into(self, file: IO[bytes], copy: Path) -> int:
        with (
            gzip.GzipFile(fileobj=file, mode="wb", compresslevel=_COMPRESSION, filename="") as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
        ):
            return self._pack(archive, copy)

    def _pack(self, archive: tarfile.TarFile, copy: Path) -> int:
        manifest = json.dumps({"format": _FORMAT, "made_at": time.time()}).encode()
        _add(archive, _MANIFEST, io.BytesIO(manifest), len(manifest))
        waiting = set(self._pack_directory(archive, self._waiting))
        self._copy_database(copy)
        with copy.open("rb") as file:
            _add(archive, self._database, file, copy.stat().st_size)
        copy.unlink()
        objects = sum(
            1 for store in self._stores for _ in self._pack_directory(archive, store, without=set())
        )
        for _ in self._pack_directory(archive, self._waiting, without=waiting):
            pass
        return objects

    def _copy_database(self, copy: Path) -> None:
        """Copy a snapshot of the database without blocking its writers."""
        source_url = f"{(self._directory / self._database).absolute().as_uri()}?mode=ro"
        with (
            closing(sqlite3.connect(source_url, uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # so that the copy is a single file
        _check_database(copy)

    def _pack_directory(
        self, archive: tarfile.TarFile, name: str, without: Collection[str] = ()
    ) -> Sequence[str]:
        """Pack the files below a directory and return their names. Files removed meanwhile are left out."""
        names = []
        root = self._directory / name
        for directory, below, files in os.walk(root):
            below[:] = sorted(set(below) - self._drafts)
            for file in sorted(files):
                path = Path(directory) / file
                packed = str(path.relative_to(self._directory))
                if packed in without:
                    continue
                with suppress(FileNotFoundError), open(os.open(path, _READ), "rb") as content:  # noqa: PTH123 - of a descriptor
                    status = os.fstat(content.fileno())
                    if stat.S_ISREG(status.st_mode):
                        _add(archive, packed, content, status.st_size)
                        names.append(packed)
        return names

    def _unpack(self, source: Path, target: Path) -> int:
        known = {_MANIFEST, self._database, *self._stores, self._waiting}
        objects = 0
        with tarfile.open(source, mode="r|gz") as archive:
            for member in archive:
                parts = Path(member.name).parts
                content = archive.extractfile(member) if member.isfile() else None
                if content is None or ".." in parts or not known.intersection(parts[:1]):
                    raise ValueError(f"'{member.name}' is not a member of a backup")
                _extract(content, target / member.name)
                objects += parts[0] in self._stores
        if not (target / _MANIFEST).is_file():
            raise ValueError("it contains no manifest")
        manifest = json.loads((target / _MANIFEST).read_bytes())
        if manifest.get("format") != _FORMAT:
            raise ValueError(f"its format is {manifest.get('format')}, but this version reads {_FORMAT}")
        _check_database(target / self._database)
        return objects


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o600
    member.mtime = int(time.time())
    archive.addfile(member, content)


def _extract(content: IO[bytes], path: Path) -> None:
    """Extract a file safely, as `TarFile.extract` does with a filter, which needs Python 3.11.4."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, _WRITE, 0o600), "wb") as file:  # noqa: PTH123 - of a descriptor
        shutil.copyfileobj(content, file)


def _check_database(file: Path) -> None:
    """Check that a database is complete and not damaged.

    Raises:
        sqlite3.DatabaseError: The file is missing or damaged.
    """
    if not file.is_file():
        raise sqlite3.DatabaseError("it contains no database")
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _told(action: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise DependencyUnavailable(action, f"the database cannot be read: {error}") from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise DependencyUnavailable(action, f"{where}{(error.strerror or str(error)).lower()}") from error
