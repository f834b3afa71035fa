"""Query: read a file that was uploaded with a program."""

from dataclasses import dataclass

from application.blobs import Blobs
from application.errors import NotFound
from application.ports.job_queries import JobQueries
from domain.caller import Caller
from domain.files import JobFile
from domain.values import JobId


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file of a job with its content, which the digest of its blob identifies."""

    file: JobFile
    data: bytes


class ReadFile:
    """Reads a file that a job has beside its code."""

    def __init__(self, job_queries: JobQueries, blobs: Blobs) -> None:
        self._job_queries = job_queries
        self._blobs = blobs

    def __call__(self, caller: Caller, job_id: JobId, path: str) -> FileContent:
        """Return the file.

        Raises:
            NotFound: There is no such job, or it has no such file.
            DependencyUnavailable: The store is unavailable.
        """
        details = self._job_queries.details(caller, job_id)
        if details is None:
            raise NotFound("job", job_id)
        file = next((file for file in details.job.spec.files if file.path == path), None)
        if file is None:
            raise NotFound("file", path)
        try:
            return FileContent(file, self._blobs.read(details.job.tenant, file.blob))
        except NotFound:
            raise NotFound("file", path) from None
