"""The jobs in the body of a batch, each decoded by itself."""

from msgspec import DecodeError, Raw, json

from application.commands import UploadCodeCommand
from application.errors import RefusedJob
from domain.errors import InvalidValue
from entrypoints.http.json_request import UnreadableBody
from entrypoints.http.schemas.requests import BatchRequest, JobOfBatch
from entrypoints.http.validation_errors import of_body

_decode = json.Decoder(JobOfBatch).decode


def commands_of(request: BatchRequest) -> list[UploadCodeCommand | RefusedJob]:
    """Return the command of each job, or its fault."""
    return [_command(index, job) for index, job in enumerate(request.jobs)]


def _command(index: int, text: Raw) -> UploadCodeCommand | RefusedJob:
    try:
        job = _decode(text)
        if job.execute is None:
            job.execute = True
        return job.command()
    except DecodeError as error:
        fault = of_body(UnreadableBody(str(error)))
        return RefusedJob(index, str(fault.pointer or "").removeprefix("/"), fault.detail)
    except InvalidValue as error:
        return RefusedJob(index, error.field, error.detail)
