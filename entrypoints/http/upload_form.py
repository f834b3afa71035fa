"""Multipart uploads: a job in JSON, and its files, which are spooled to this host's disk as they arrive."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from application.file_spool import FileSpool, SpooledFile
from application.new_files import NewBlob
from domain.files import shown
from entrypoints.http.unreadable_body import UnreadableBody

JOB, FILES, ARCHIVE, STDIN = "job", "files", "archive", "stdin"
NO_FIELDS = b"{}"
ARCHIVE_TYPES = frozenset(
    {"application/zip", "application/x-zip-compressed", "application/gzip", "application/x-gzip"}
    | {"application/x-tar", "application/x-gtar", "application/x-compressed-tar"}
)
_ARCHIVE_NAMES = (".zip", ".tar.gz", ".tgz", ".tar")


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file of a multipart body.

    Attributes:
        name: The part's name.
        path: The file's path, as given by its caller.
    """

    name: str
    path: str
    media_type: str
    blob: NewBlob

    @property
    def is_archive(self) -> bool:
        """Whether the part is declared as an archive, by its type or its name."""
        return self.media_type in ARCHIVE_TYPES or self.path.lower().endswith(_ARCHIVE_NAMES)


@dataclass(frozen=True, slots=True)
class UploadForm:
    """A multipart body that was received completely.

    Attributes:
        job: The job in JSON.
        parts: The files, in order.
        spool: Holds the contents of the files until it is closed.
    """

    job: bytes
    parts: Sequence[FilePart]
    spool: FileSpool

    @property
    def stdin(self) -> NewBlob | None:
        """The program's input, if it is one of the parts."""
        return next((part.blob for part in self.parts if part.name == STDIN), None)

    @property
    def archive(self) -> NewBlob | None:
        """The archive of the files: its own part, or the only file, if it is declared as an archive."""
        for part in self.parts:
            if part.name == ARCHIVE:
                return part.blob
        files = [part for part in self.parts if part.name == FILES]
        return files[0].blob if len(files) == 1 and files[0].is_archive else None

    @property
    def files(self) -> Sequence[FilePart]:
        """The files that were sent separately."""
        files = [part for part in self.parts if part.name == FILES]
        return [] if len(files) == 1 and files[0].is_archive else files

    def fingerprint(self) -> bytes:
        """Return a digest of the content, independent of the boundary."""
        parts = [(part.name, part.path, part.media_type, part.blob.ref.sha256) for part in self.parts]
        return hashlib.sha256(self.job + json.dumps(parts).encode()).digest()


class ArchiveReader:
    """Receives a body that is an archive, piece by piece.

    Args:
        media_type: The declared media type.
        spool: Takes the archive.
    """

    def __init__(self, media_type: str, spool: FileSpool) -> None:
        self._media_type = media_type
        self._spool = spool
        self._file = spool.begin()

    def take(self, piece: bytes) -> None:
        """Receive a piece."""
        self._file.write(piece)

    def finish(self) -> UploadForm:
        """Return the archive as an upload without fields."""
        return UploadForm(
            NO_FIELDS, [FilePart(ARCHIVE, "", self._media_type, self._file.finish())], self._spool
        )


class UploadFormReader:
    """Parses a multipart body piece by piece.

    Args:
        boundary: The boundary of the body's parts.
        spool: Takes the contents of the files.
        max_files: The maximum number of files.
        max_job_bytes: The maximum size of the job.
        needs_job: Whether the body must have a job; otherwise a missing job has no fields.

    Raises:
        UnreadableBody: The boundary is invalid.
    """

    def __init__(
        self, boundary: str, spool: FileSpool, max_files: int, max_job_bytes: int, *, needs_job: bool = True
    ) -> None:
        try:
            self._parser = PushMultipartParser(boundary, max_segment_count=max_files + 3, strict=True)
        except MultipartError as error:
            raise UnreadableBody("the Content-Type has no boundary between the parts") from error
        self._max_job_bytes = max_job_bytes
        self._spool = spool
        self._job: bytearray | None = None if needs_job else bytearray()
        self._has_job = False
        self._parts: list[FilePart] = []
        self._segment: MultipartSegment | None = None
        self._file: SpooledFile | None = None

    def take(self, piece: bytes) -> None:
        """Parse a piece.

        Raises:
            UnreadableBody: The piece does not belong to a valid body.
        """
        try:
            for event in self._parser.parse(piece):
                if isinstance(event, MultipartSegment):
                    self._begin(event)
                elif event is None:
                    self._end()
                else:
                    self._write(event)
        except MultipartError as error:
            # Some errors have a Python error as a second argument, which is omitted.
            raise UnreadableBody(f"the multipart body is malformed: {error.args[0]}") from error

    def finish(self) -> UploadForm:
        """Return the complete form.

        Raises:
            UnreadableBody: The body has no job, or is incomplete.
        """
        try:
            self._parser.close()
        except MultipartError as error:
            raise UnreadableBody("the multipart body is incomplete") from error
        if self._job is None:
            raise UnreadableBody(f"the part '{JOB}' is missing: the fields of the upload, in JSON")
        return UploadForm(bytes(self._job) or NO_FIELDS, self._parts, self._spool)

    def _begin(self, segment: MultipartSegment) -> None:
        self._segment = segment
        if segment.name == JOB:
            if self._has_job:
                raise UnreadableBody(f"the part '{JOB}' occurs twice")
            self._job, self._has_job = bytearray(), True
        elif segment.name in {FILES, ARCHIVE, STDIN}:
            if segment.name != FILES and any(part.name == segment.name for part in self._parts):
                raise UnreadableBody(f"the part '{segment.name}' occurs twice")
            if segment.name == FILES and not segment.filename:
                raise UnreadableBody(f"a part '{FILES}' has no filename, which is the file's path")
            self._file = self._spool.begin()
        else:
            raise UnreadableBody(
                f"{shown(segment.name)} is not a part of an upload; its parts are '{JOB}' (its fields, in "
                f"JSON), '{FILES}', '{ARCHIVE}' and '{STDIN}'"
            )

    def _write(self, piece: bytes | bytearray) -> None:
        if self._file is not None:
            self._file.write(piece)
            return
        if self._job is not None:
            self._job += piece
            if len(self._job) > self._max_job_bytes:
                raise UnreadableBody(f"the part '{JOB}' has more than {self._max_job_bytes} bytes")

    def _end(self) -> None:
        segment, file = self._segment, self._file
        self._segment = self._file = None
        if file is not None and segment is not None:
            part = FilePart(
                segment.name or "", segment.filename or "", segment.content_type or "", file.finish()
            )
            self._parts.append(part)
