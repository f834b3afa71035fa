"""Conversion of the body of an upload to its command: files and input become bytes."""

from collections.abc import Sequence

from application.archives import unpack
from application.commands import UploadCodeCommand
from application.file_spool import FileSpool
from application.new_files import NewBlob, NewFile
from domain.catalogue.text import text
from domain.errors import InvalidValue, TooLarge
from domain.files import FileLimits
from entrypoints.http.base64_text import decode_base64
from entrypoints.http.schemas.requests import UploadRequest
from entrypoints.http.upload_form import ARCHIVE, UploadForm


def upload_command(
    data: UploadRequest, form: UploadForm | None, limits: FileLimits, spool: FileSpool
) -> UploadCodeCommand:
    """Return the command of an upload.

    Args:
        data: The job.
        form: The multipart body that contained the job.
        limits: The limits on files.
        spool: Takes unpacked files, and lasts as long as the command.

    Raises:
        InvalidValue: A file or an archive is malformed, or is given in two ways.
        TooLarge: The archive is too large.
    """
    files = [file.file() for file in data.listed_files()]
    if form is not None:
        files += [NewFile(part.path, part.blob) for part in form.files]
    archive, field = None if form is None else form.archive, ARCHIVE
    if data.archive_base64 is not None:
        if archive is not None:
            raise InvalidValue("archive_base64", text("problems.also_part"))
        field = "archive_base64"
        archive = NewBlob.of(decode_base64(field, data.archive_base64))
    if archive is not None:
        files += _unpacked(field, archive, limits, spool)
    stdin = None if form is None else form.stdin
    if data.stdin_base64 is not None:
        if stdin is not None:
            raise InvalidValue("stdin_base64", text("problems.also_part"))
        stdin = NewBlob.of(decode_base64("stdin_base64", data.stdin_base64))
    return data.command(tuple(files), stdin)


def _unpacked(field: str, archive: NewBlob, limits: FileLimits, spool: FileSpool) -> Sequence[NewFile]:
    size = archive.ref.size
    if size > limits.total_bytes:
        raise TooLarge(field, text("problems.bytes_allowed", size=size, allowed=limits.total_bytes))
    try:
        with archive.open() as file:
            return unpack(file, size, limits, spool)
    except InvalidValue as error:
        raise type(error)(field if error.field == ARCHIVE else error.field, error.detail) from None
