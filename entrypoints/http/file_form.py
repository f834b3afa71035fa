"""Forms of pages with files, which go to this machine's disk as they come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from application.file_spool import FileSpool, SpooledFile
from application.new_files import NewBlob
from entrypoints.http.unreadable_body import BodyTooLarge, UnreadableBody
from entrypoints.http.upload_form import FilePart

MAX_FIELDS = 64
NOT_OURS = "the form is not written as a page of this service writes it"


@dataclass(frozen=True, slots=True)
class FileForm:
    """A form that has come in full.

    Attributes:
        fields: Its fields that are no files, by their names.
        files: Its files, in their order; a field without a file has none.
        spool: Has the contents of the files until it is closed.
    """

    fields: Mapping[str, str]
    files: Sequence[FilePart]
    spool: FileSpool

    def file(self, name: str) -> NewBlob | None:
        """Return the file of a field; None if none was chosen."""
        return next((part.blob for part in self.files if part.name == name), None)


class FileFormReader:
    """Reads a form with files piece by piece (RFC 7578).

    Args:
        boundary: The boundary of its parts.
        spool: Takes the files.
        max_files: The most files.
        max_bytes: The size of all other fields together.

    Raises:
        UnreadableBody: The boundary is none.
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
        """Read a piece.

        Raises:
            UnreadableBody: It is no part of such a form, or has more than one may have.
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
        """Return all of it.

        Raises:
            UnreadableBody: It broke off, or has a field that is no text.
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
