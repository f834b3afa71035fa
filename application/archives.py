"""Unpacking of zip and tar archives, also gzip-compressed, in one pass and within limits."""

import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO

from application.file_spool import FileSpool
from application.new_files import NewFile
from domain.catalogue.text import text
from domain.errors import InvalidValue, TooLarge
from domain.files import FileLimits, FilePath, FileTree, shown

FIELD = "archive"
_PIECE = 64 << 10
# Any archive may unpack to this size.
_SMALL_BYTES = 1 << 20
# The overhead per entry, beside its content and its path: headers, and padding to a block.
_ENTRY_BYTES = 4 << 10
_GZIP, _ZIP, _EMPTY_ZIP, _USTAR = b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06", b"ustar"
_USTAR_AT = 257
# Limits the members of a gzip file (RFC 1952, 2.2): an empty member costs time and yields nothing. Most files
# have one member.
_MOST_MEMBERS = 4_096
# The window size of zlib, with the flag that a gzip header comes first.
_GZIP_WINDOW = zlib.MAX_WBITS | 16
# A zip archive's end of central directory, the longest comment after it, the zip64 locator before it, and the
# signature of a directory record. Records are counted in 16 bits (APPNOTE.TXT, 4.3).
_END = struct.Struct("<4s4H2LH")
_LONGEST_COMMENT = (1 << 16) - 1
_ZIP64_LOCATOR, _ZIP64_LOCATOR_BYTES = b"PK\x06\x07", 20
_RECORD, _MOST_RECORDS_OF_ZIP = b"PK\x01\x02", (1 << 16) - 1
_LOCAL_HEADER_BYTES = 30
_ENCRYPTED = 0x1
_UNIX = 3
# Entries of a tar archive that describe the next entry, or all entries.
_NAMING = frozenset({tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME})
_LONGEST_NAMING = 16 << 10
_SHORTEST_RECORD = 2
_MOST_RECORDS = 64
_FAULTS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    UnicodeError,
    ValueError,
    OverflowError,
)


def unpack(archive: IO[bytes], size: int, limits: FileLimits, spool: FileSpool) -> list[NewFile]:
    """Return the files of an archive; their contents are in the spool.

    Entries other than files and directories are refused, and so are files that an upload of single files
    could not have. The time is linear in the archive's size and in the limits, independently of the sizes
    that its headers announce.

    Args:
        archive: A seekable file, at its start.
        size: Its size.
        limits: The limits on files.
        spool: Receives the contents.

    Raises:
        InvalidValue: It is not such an archive, is damaged, or contains a link, a device or an unsafe path.
        TooLarge: Its contents exceed a limit.
    """
    start = archive.read(_USTAR_AT + len(_USTAR))
    archive.seek(0)
    gathered = _Gathered(limits, size, spool)
    with _described():
        if start.startswith((_ZIP, _EMPTY_ZIP)):
            _unzip(archive, size, gathered)
        elif start.startswith(_GZIP):
            with io.BufferedReader(_Gunzip(archive), _PIECE) as plain:
                stream = _Bounded(plain, gathered.stream_bytes)
                _untar(stream, gathered)
                stream.read_rest()  # up to the checksum of the content, which follows the archive's end
        elif start[_USTAR_AT:] == _USTAR:
            _untar(_Bounded(archive, gathered.stream_bytes), gathered)
        else:
            raise InvalidValue(FIELD, text("problems.archive_kind"))
    return gathered.files


@contextmanager
def _described() -> Iterator[None]:
    """Convert the errors of a damaged archive into one that does not expose library internals."""
    try:
        yield
    except _FAULTS as error:
        raise InvalidValue(FIELD, text("problems.archive_damaged")) from error


class _Gathered:
    """The files taken from an archive so far."""

    def __init__(self, limits: FileLimits, archive_bytes: int, spool: FileSpool) -> None:
        self.files: list[NewFile] = []
        self._tree = FileTree(limits)
        self._limits = limits
        self._spool = spool
        self._entries = 0
        self._most_bytes = max(_SMALL_BYTES, limits.archive_ratio * archive_bytes)

    @property
    def most_entries(self) -> int:
        """The maximum number of entries in an archive: files and their directories."""
        return self._limits.files * (self._limits.depth + 1)

    @property
    def stream_bytes(self) -> int:
        """The maximum number of bytes that are read of a tar archive."""
        content = min(self._limits.total_bytes, self._most_bytes)
        return content + self._limits.paths_bytes + _ENTRY_BYTES * (self._limits.files + 16)

    def count_entry(self) -> None:
        """Count an entry.

        Raises:
            InvalidValue: There are too many entries.
        """
        self._entries += 1
        if self._entries > self.most_entries:
            raise InvalidValue(FIELD, text("problems.archive_entries", maximum=self.most_entries))

    def add_directory(self, name: str) -> None:
        """Check the path of a directory; the directory itself is created by its files."""
        if name not in {".", "./"}:
            FilePath(name.removeprefix("./").removesuffix("/"))

    def add(self, name: str, announced: int, pieces: Iterator[bytes]) -> None:
        """Add a file.

        Raises:
            InvalidValue: Its path is unsafe or collides with another, or its size differs from the announced
                one.
            TooLarge: The file or the total is too large.
        """
        path = FilePath(name.removeprefix("./"))
        self._tree.add(path)
        self._check(path, announced)
        file = self._spool.begin()
        for piece in pieces:
            file.write(piece)
            if file.size > announced:
                break
        if file.size != announced:
            raise InvalidValue(FIELD, text("problems.archive_size_differs", path=shown(path.value)))
        self._tree.add_bytes(path, announced)
        self.files.append(NewFile(path.value, file.finish()))

    def _check(self, path: FilePath, announced: int) -> None:
        self._tree.check_size(path, announced)
        if self._tree.total_bytes + announced > self._most_bytes:
            raise TooLarge(
                FIELD,
                text("problems.archive_ratio", ratio=self._limits.archive_ratio),
            )


def _unzip(archive: IO[bytes], size: int, gathered: _Gathered) -> None:
    _check_directory(archive, size, gathered.most_entries)
    with zipfile.ZipFile(archive, metadata_encoding="utf-8") as opened:
        entries = opened.infolist()
        _check_apart(entries, size)
        for entry in entries:
            gathered.count_entry()
            # The name as written in the archive: `entry.filename` ends at a NUL.
            name = entry.orig_filename
            if entry.flag_bits & _ENCRYPTED:
                raise InvalidValue(FIELD, text("problems.archive_encrypted", name=shown(name)))
            if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise InvalidValue(FIELD, text("problems.archive_method", name=shown(name)))
            kind = stat.S_IFMT(entry.external_attr >> 16) if entry.create_system == _UNIX else 0
            if name.endswith("/") and kind in {0, stat.S_IFDIR}:
                gathered.add_directory(name)
            elif kind in {0, stat.S_IFREG}:
                with opened.open(entry) as content:
                    gathered.add(name, entry.file_size, iter(partial(content.read, _PIECE), b""))
            else:
                raise _no_file(name)


def _check_directory(archive: IO[bytes], size: int, most_entries: int) -> None:
    """Check the size of a zip archive's directory, which is read as a whole.

    Raises:
        InvalidValue: The directory is too large or missing.
    """
    most_entries = min(most_entries, _MOST_RECORDS_OF_ZIP)
    start = archive.seek(max(size - _END.size - _LONGEST_COMMENT - _ZIP64_LOCATOR_BYTES, 0))
    tail = archive.read()
    place = tail.rfind(_EMPTY_ZIP)
    if place < 0:
        raise InvalidValue(FIELD, text("problems.archive_without_end"))
    if _ZIP64_LOCATOR in tail[max(place - _ZIP64_LOCATOR_BYTES, 0) : place]:
        raise InvalidValue(FIELD, text("problems.archive_zip64"))
    directory_bytes = _END.unpack_from(tail, place)[5]
    is_too_large = directory_bytes > most_entries * _ENTRY_BYTES // 16
    if not is_too_large:
        archive.seek(max(start + place - directory_bytes, 0))
        is_too_large = archive.read(directory_bytes).count(_RECORD) > most_entries
    if is_too_large:
        raise InvalidValue(FIELD, text("problems.archive_entries", maximum=most_entries))
    archive.seek(0)


def _check_apart(entries: list[zipfile.ZipInfo], size: int) -> None:
    """Check that the files of a zip archive do not overlap.

    Raises:
        InvalidValue: Two files overlap.
    """
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end or entry.header_offset + entry.compress_size > size:
            raise InvalidValue(FIELD, text("problems.archive_overlaps", name=shown(entry.orig_filename)))
        end = entry.header_offset + _LOCAL_HEADER_BYTES + entry.compress_size


def _untar(plain: "_Bounded", gathered: _Gathered) -> None:
    """Take the files of a tar archive. `tarfile` itself would skip damage, and the files after it."""
    long_name: str | None = None
    while (header := plain.read_all(tarfile.BLOCKSIZE, may_end=True)).strip(b"\0"):
        gathered.count_entry()
        entry = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
        if entry.type in _NAMING:
            if not 0 <= entry.size <= _LONGEST_NAMING:
                raise InvalidValue(FIELD, text("problems.archive_path"))
            named = _name_of(entry.type, plain.read_all(entry.size))
            long_name = long_name if named is None else named
            plain.read_all(-entry.size % tarfile.BLOCKSIZE)
            continue
        name, long_name = long_name or entry.name, None
        if entry.isdir():
            gathered.add_directory(name)
        elif entry.type in {tarfile.REGTYPE, tarfile.AREGTYPE} and entry.size >= 0:
            gathered.add(name, entry.size, plain.pieces(entry.size))
            plain.read_all(-entry.size % tarfile.BLOCKSIZE)
        else:
            raise _no_file(name)


def _name_of(kind: bytes, content: bytes) -> str | None:
    """Return the path that an entry sets for the next one, if any."""
    if kind == tarfile.GNUTYPE_LONGNAME:
        return content.split(b"\0", 1)[0].decode()
    path = None
    for _ in range(_MOST_RECORDS):
        if not content:
            return path
        length, _, _ = content.partition(b" ")
        record, content = content[len(length) + 1 : int(length)], content[int(length) :]
        key, _, value = record.removesuffix(b"\n").partition(b"=")
        if key.startswith(b"GNU.sparse") or key == b"size" or len(record) < _SHORTEST_RECORD:
            raise InvalidValue(FIELD, text("problems.archive_sparse"))
        if key == b"path" and kind == tarfile.XHDTYPE:
            path = value.decode()
    raise InvalidValue(FIELD, text("problems.archive_attributes"))


def _no_file(name: str) -> InvalidValue:
    return InvalidValue(FIELD, text("problems.archive_entry_kind", name=shown(name)))


class _Gunzip(io.RawIOBase):
    """The content of a gzip file. Python's `gzip` reads a header byte by byte, however long its name is."""

    def __init__(self, archive: IO[bytes]) -> None:
        super().__init__()
        self._archive = archive
        self._input = b""
        self._is_all_read = False
        self._members = 0
        self._member = self._next_member()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # any buffer
        while not self._is_at_end():
            piece = self._member.decompress(self._input, len(buffer))
            self._input = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)
            if self._is_all_read and not self._input and not self._member.eof:
                raise EOFError
        return 0

    def _is_at_end(self) -> bool:
        """Read more input if needed; zeros after a member are padding."""
        while not self._is_all_read and not (self._input.lstrip(b"\0") if self._member.eof else self._input):
            self._input = self._archive.read(_PIECE)
            self._is_all_read = not self._input
        if not self._member.eof:
            return False
        self._input = self._input.lstrip(b"\0")
        if self._input:
            self._member = self._next_member()
        return not self._input

    def _next_member(self) -> "zlib._Decompress":
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise InvalidValue(FIELD, text("problems.archive_members", maximum=_MOST_MEMBERS))
        return zlib.decompressobj(_GZIP_WINDOW)


class _Bounded:
    """A stream that is read only up to a maximum."""

    def __init__(self, stream: IO[bytes] | io.BufferedReader, most_bytes: int) -> None:
        self._stream = stream
        self._left = most_bytes

    def read_all(self, size: int, *, may_end: bool = False) -> bytes:
        """Read exactly `size` bytes, or none at the end of the stream if `may_end` is set.

        Raises:
            EOFError: The stream ends early.
            TooLarge: The stream exceeds its maximum.
        """
        content = b"".join(self.pieces(size))
        if len(content) != size and not (may_end and not content):
            raise EOFError
        return content

    def read_rest(self) -> None:
        """Read to the end of the stream, and discard what is read.

        Raises:
            TooLarge: The stream exceeds its maximum.
        """
        for _piece in self.pieces(self._left + 1):
            pass

    def pieces(self, size: int) -> Iterator[bytes]:
        """Yield `size` bytes in pieces; fewer if the stream ends.

        Raises:
            TooLarge: The stream exceeds its maximum.
        """
        while size > 0 and (piece := self._stream.read(min(size, _PIECE))):
            size -= len(piece)
            self._left -= len(piece)
            if self._left < 0:
                raise TooLarge(FIELD, text("problems.archive_too_large"))
            yield piece
