"""Multipart bodies, whose files are spooled to this host's disk as they arrive."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from application.file_spool import FileSpool, SpooledFile
from application.new_files import NewBlob
from entrypoints.http.unreadable_body import UnreadableBody


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


@dataclass(frozen=True, slots=True)
class MultipartFaults:
    """The sentences that refuse a multipart body.

    Attributes:
        no_boundary: The boundary is missing or invalid.
        malformed: A part is malformed, for the reason `{0}`.
        incomplete: The body ends too early.
    """

    no_boundary: str
    malformed: str
    incomplete: str


class MultipartReader(ABC):
    """Parses a multipart body piece by piece (RFC 7578): files into the spool, other fields into memory.

    Args:
        boundary: The boundary of the body's parts.
        spool: Takes the contents of the files.
        max_parts: The maximum number of parts.
        max_field_bytes: The maximum size of all fields that are not files together.
        faults: The sentences that refuse a body.

    Attributes:
        spool: The spool.
        fields: The contents of the fields that are not files, by name.
        files: The files, in order.

    Raises:
        UnreadableBody: The boundary is invalid.
    """

    def __init__(
        self, boundary: str, spool: FileSpool, max_parts: int, max_field_bytes: int, faults: MultipartFaults
    ) -> None:
        try:
            self._parser = PushMultipartParser(boundary, max_segment_count=max_parts)
        except MultipartError as error:
            raise UnreadableBody(faults.no_boundary) from error
        self.spool = spool
        self.fields: dict[str, bytearray] = {}
        self.files: list[FilePart] = []
        self._max_field_bytes = max_field_bytes
        self._field_bytes = 0
        self._faults = faults
        self._segment: MultipartSegment | None = None
        self._file: SpooledFile | None = None

    @abstractmethod
    def is_file(self, segment: MultipartSegment) -> bool:
        """Whether a part is a file.

        Raises:
            UnreadableBody: The part does not belong to the body.
        """

    @abstractmethod
    def too_large(self, max_bytes: int) -> Exception:
        """Return the refusal of a body whose other fields are too large."""

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
            raise UnreadableBody(self._faults.malformed.format(error.args[0])) from error

    def close(self) -> None:
        """Require that the body is complete.

        Raises:
            UnreadableBody: The body is incomplete.
        """
        try:
            self._parser.close()
        except MultipartError as error:
            raise UnreadableBody(self._faults.incomplete) from error

    def _begin(self, segment: MultipartSegment) -> None:
        self._segment = segment
        if self.is_file(segment):
            self._file = self.spool.begin()
        else:
            self.fields[segment.name or ""] = bytearray()

    def _write(self, piece: bytes | bytearray) -> None:
        if self._file is not None:
            self._file.write(piece)
        elif self._segment is not None:
            self._field_bytes += len(piece)
            if self._field_bytes > self._max_field_bytes:
                raise self.too_large(self._max_field_bytes)
            self.fields[self._segment.name or ""] += piece

    def _end(self) -> None:
        segment, file = self._segment, self._file
        self._segment = self._file = None
        if file is not None and segment is not None:
            name, path, media_type = segment.name or "", segment.filename or "", segment.content_type or ""
            self.files.append(FilePart(name, path, media_type, file.finish()))
