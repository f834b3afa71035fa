"""Multipart uploads: a job in JSON, and its files, which are spooled to this host's disk as they arrive."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from multipart import MultipartSegment

from application.file_spool import FileSpool
from application.new_files import NewBlob
from domain.files import shown
from entrypoints.http.multipart_reader import FilePart, MultipartFaults, MultipartReader
from entrypoints.http.unreadable_body import UnreadableBody

JOB, FILES, ARCHIVE, STDIN = "job", "files", "archive", "stdin"
NO_FIELDS = b"{}"
ARCHIVE_TYPES = frozenset(
    {"application/zip", "application/x-zip-compressed", "application/gzip", "application/x-gzip"}
    | {"application/x-tar", "application/x-gtar", "application/x-compressed-tar"}
)
_ARCHIVE_NAMES = (".zip", ".tar.gz", ".tgz", ".tar")
_FAULTS = MultipartFaults(
    no_boundary="the Content-Type has no boundary between the parts",
    malformed="the multipart body is malformed: {0}",
    incomplete="the multipart body is incomplete",
)


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
        own = next((part for part in self.parts if part.name == ARCHIVE), None)
        archive = own or self._only_file
        return None if archive is None else archive.blob

    @property
    def files(self) -> Sequence[FilePart]:
        """The files that were sent separately."""
        return [] if self._only_file else [part for part in self.parts if part.name == FILES]

    @property
    def _only_file(self) -> FilePart | None:
        """The file that is the archive of the files, if there is no part for the archive."""
        sent = [part for part in self.parts if part.name in {FILES, ARCHIVE}]
        is_archive = len(sent) == 1 and sent[0].name == FILES and _is_archive(sent[0])
        return sent[0] if is_archive else None

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


class UploadFormReader(MultipartReader):
    """Parses a multipart upload piece by piece.

    Args:
        needs_job: Whether the body must have a job; otherwise a missing job has no fields.
    """

    def __init__(
        self, boundary: str, spool: FileSpool, max_files: int, max_job_bytes: int, *, needs_job: bool = True
    ) -> None:
        super().__init__(boundary, spool, max_files + 3, max_job_bytes, _FAULTS)
        self._needs_job = needs_job

    def is_file(self, segment: MultipartSegment) -> bool:
        """Whether a part is a file: each part except the job is one.

        Raises:
            UnreadableBody: The part is unknown, occurs twice, or has no filename.
        """
        name: str = segment.name
        if name not in {JOB, FILES, ARCHIVE, STDIN}:
            raise UnreadableBody(
                f"{shown(name)} is not a part of an upload; its parts are '{JOB}' (its fields, in "
                f"JSON), '{FILES}', '{ARCHIVE}' and '{STDIN}'"
            )
        if name != FILES and (name in self.fields or any(part.name == name for part in self.files)):
            raise UnreadableBody(f"the part '{name}' occurs twice")
        if name == FILES and not segment.filename:
            raise UnreadableBody(f"a part '{FILES}' has no filename, which is the file's path")
        return name != JOB

    def too_large(self, max_bytes: int) -> Exception:
        """Return the refusal of a job that is too large."""
        return UnreadableBody(f"the part '{JOB}' has more than {max_bytes} bytes")

    def finish(self) -> UploadForm:
        """Return the complete upload.

        Raises:
            UnreadableBody: The body has no job, or is incomplete.
        """
        self.close()
        if self._needs_job and JOB not in self.fields:
            raise UnreadableBody(f"the part '{JOB}' is missing: the fields of the upload, in JSON")
        return UploadForm(bytes(self.fields.get(JOB, b"")) or NO_FIELDS, self.files, self.spool)


def _is_archive(part: FilePart) -> bool:
    """Whether the part is declared as an archive, by its type or its name."""
    return part.media_type in ARCHIVE_TYPES or part.path.lower().endswith(_ARCHIVE_NAMES)
