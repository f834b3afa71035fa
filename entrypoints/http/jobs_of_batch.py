"""The jobs in the body of a batch, each decoded by itself."""

from msgspec import DecodeError, Raw, json

from application.commands import UploadCodeCommand
from application.errors import RefusedJob
from application.file_spool import FileSpool
from domain.errors import InvalidValue
from domain.files import FileLimits
from entrypoints.http.schemas.requests import BatchRequest, JobOfBatch
from entrypoints.http.unreadable_body import UnreadableBody
from entrypoints.http.upload_command import upload_command
from entrypoints.http.validation_errors import of_body

_decode = json.Decoder(JobOfBatch).decode


def commands_of(
    request: BatchRequest, limits: FileLimits, spool: FileSpool
) -> list[UploadCodeCommand | RefusedJob]:
    """Return the command of each job, or its fault.

    Args:
        request: The batch.
        limits: The limits on the files of each job.
        spool: Takes unpacked files, and lasts as long as the commands.
    """
    return [_command(index, job, limits, spool) for index, job in enumerate(request.jobs)]


def _command(index: int, text: Raw, limits: FileLimits, spool: FileSpool) -> UploadCodeCommand | RefusedJob:
    try:
        job = _decode(text)
        if job.execute is None:
            job.execute = True
        return upload_command(job, None, limits, spool)
    except DecodeError as error:
        fault = of_body(UnreadableBody(str(error)))
        return RefusedJob(index, str(fault.pointer or "").removeprefix("/"), fault.detail)
    except InvalidValue as error:
        return RefusedJob(index, error.field, error.detail)
