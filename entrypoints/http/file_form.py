"""Forms with files, which are spooled to this host's disk as they arrive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from application.file_spool import FileSpool, SpooledFile
from application.new_files import NewBlob
from entrypoints.http.unreadable_body import BodyTooLarge, UnreadableBody
from entrypoints.http.upload_form import FilePart

MAX_FIELDS = 64
NOT_OURS = "the form was not submitted from a page of this service"


@dataclass(frozen=True, slots=True)
class FileForm:
    """A form that was received completely.

    Attributes:
        fields: The fields that are not files, by name.
        files: The files, in order; a field for which no file was chosen has none.
        spool: Holds the contents of the files until it is closed.
    """

    fields: Mapping[str, str]
    files: Sequence[FilePart]
    spool: FileSpool

    def file(self, name: str) -> NewBlob | None:
        """Return the file of a field, or None if none was chosen."""
        return next((part.blob for part in self.files if part.name == name), None)


class FileFormReader:
    """Parses a form with files piece by piece (RFC 7578).

    Args:
        boundary: The boundary of the form's parts.
        spool: Takes the files.
        max_files: The maximum number of files.
        max_bytes: The maximum size of all other fields together.

    Raises:
        UnreadableBody: The boundary is invalid.
    """

    def __init__(self, boundary: str, spool: FileSpool, max_files: int, max_bytes: int) -> None:
        try:
            self._parser = PushMultipartParser(
                boundary, max_segment_count=max_files + MAX_FIELDS, strict=True
            )
        except MultipartError as error:
            raise UnreadableBody(NOT_OURS) from error
        self.spool = spool
        self._max_bytes = max_bytes
        self._bytes = 0
        self._fields: dict[str, bytearray] = {}
        self._files: list[FilePart] = []
        self._segment: MultipartSegment | None = None
        self._file: SpooledFile | None = None

    def take(self, piece: bytes) -> None:
        """Parse a piece.

        Raises:
            UnreadableBody: The piece does not belong to a valid form, or the form has too many parts.
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
            raise UnreadableBody(NOT_OURS) from error

    def finish(self) -> FileForm:
        """Return the complete form.

        Raises:
            UnreadableBody: The form is incomplete, or a field is not UTF-8 text.
        """
        try:
            self._parser.close()
            fields = {name: content.decode() for name, content in self._fields.items()}
        except (MultipartError, UnicodeDecodeError) as error:
            raise UnreadableBody(NOT_OURS) from error
        return FileForm(fields, self._files, self.spool)

    def _begin(self, segment: MultipartSegment) -> None:
        self._segment = segment
        if segment.filename is not None:
            self._file = self.spool.begin()
        else:
            self._fields[segment.name or ""] = bytearray()

    def _write(self, piece: bytes | bytearray) -> None:
        if self._file is not None:
            self._file.write(piece)
        elif self._segment is not None:
            self._bytes += len(piece)
            if self._bytes > self._max_bytes:
                raise BodyTooLarge(self._max_bytes)
            self._fields[self._segment.name or ""] += piece

    def _end(self) -> None:
        segment, file = self._segment, self._file
        self._segment = self._file = None
        if file is None or segment is None:
            return
        blob = file.finish()
        if segment.filename or blob.ref.size:  # a browser sends a nameless part for a field without a file
            name, path = segment.name or "", segment.filename or ""
            self._files.append(FilePart(name, path, segment.content_type or "", blob))
