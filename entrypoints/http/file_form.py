"""Forms with files, which are spooled to this host's disk as they arrive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from multipart import MultipartSegment

from application.file_spool import FileSpool
from application.new_files import NewBlob
from entrypoints.http.multipart_reader import FilePart, MultipartFaults, MultipartReader
from entrypoints.http.unreadable_body import BodyTooLarge, UnreadableBody

MAX_FIELDS = 64
NOT_OURS = "the form was not submitted from a page of this service"
_FAULTS = MultipartFaults(NOT_OURS, NOT_OURS, NOT_OURS)


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


class FileFormReader(MultipartReader):
    """Parses a form with files piece by piece."""

    def __init__(self, boundary: str, spool: FileSpool, max_files: int, max_bytes: int) -> None:
        super().__init__(boundary, spool, max_files + MAX_FIELDS, max_bytes, _FAULTS)

    def is_file(self, segment: MultipartSegment) -> bool:
        """Whether a part is a file: the parts of files have a filename."""
        return segment.filename is not None

    def too_large(self, max_bytes: int) -> Exception:
        """Return the refusal of a form whose other fields are too large."""
        return BodyTooLarge(max_bytes)

    def finish(self) -> FileForm:
        """Return the complete form.

        Raises:
            UnreadableBody: The form is incomplete, or a field is not UTF-8 text.
        """
        self.close()
        try:
            fields = {name: content.decode() for name, content in self.fields.items()}
        except UnicodeDecodeError as error:
            raise UnreadableBody(NOT_OURS) from error
        # A browser sends a nameless part for a field without a file.
        chosen = [file for file in self.files if file.path or file.blob.ref.size]
        return FileForm(fields, chosen, self.spool)
