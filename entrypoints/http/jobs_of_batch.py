"""The jobs in the body of a batch, each decoded separately."""

from msgspec import DecodeError, Raw, json

from application.commands import UploadCodeCommand
from application.errors import RefusedJob
from application.file_spool import FileSpool
from domain.catalogue.text import text
from domain.errors import InvalidValue, TooLarge
from domain.files import FileLimits
from entrypoints.http.schemas.requests import BatchRequest, JobOfBatch
from entrypoints.http.unreadable_body import UnreadableBody
from entrypoints.http.upload_command import upload_command
from entrypoints.http.validation_errors import of_body

# Files of all jobs together: a small archive may contain a thousand.
MAX_FILES = 20_000
# The unpacked archives of a batch may together take this many times the size of the largest batch.
UNPACKED_RATIO = 8

_decode = json.Decoder(JobOfBatch).decode


def commands_of(
    request: BatchRequest, limits: FileLimits, spool: FileSpool
) -> list[UploadCodeCommand | RefusedJob]:
    """Return the command or the fault of each job.

    Args:
        request: The batch.
        limits: The limits on the files of each job.
        spool: Takes unpacked files, and lasts as long as the commands.

    Raises:
        TooLarge: The jobs have too many files together.
    """
    commands: list[UploadCodeCommand | RefusedJob] = []
    files = 0
    for index, job in enumerate(request.jobs):
        command = _command(index, job, limits, spool)
        files += 0 if isinstance(command, RefusedJob) else len(command.files)
        if files > MAX_FILES:
            raise TooLarge("jobs", text("problems.batch_files", maximum=MAX_FILES))
        commands.append(command)
    return commands


def _command(index: int, text: Raw, limits: FileLimits, spool: FileSpool) -> UploadCodeCommand | RefusedJob:
    try:
        job = _decode(text)
        if job.execute is None:
            job.execute = True
        return upload_command(job, None, limits, spool)
    except DecodeError as error:
        fault = of_body(UnreadableBody(str(error), wanted=JobOfBatch))
        return RefusedJob(index, str(fault.pointer or "").removeprefix("/"), fault.detail)
    except InvalidValue as error:
        return RefusedJob(index, error.field, error.detail)
