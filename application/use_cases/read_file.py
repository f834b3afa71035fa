"""Query: read a file that was uploaded with a program, or that the program wrote."""

from collections.abc import Iterable
from dataclasses import dataclass

from application.blobs import Blobs
from application.errors import NotFound
from application.ports.job_queries import JobQueries
from application.views import JobDetails
from domain.caller import Caller
from domain.files import JobFile
from domain.values import JobId


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file of a job with its content, which the digest of its blob identifies."""

    file: JobFile
    data: bytes


class ReadFile:
    """Reads the files of a job: the ones beside its code, and the artifacts of its latest execution."""

    def __init__(self, job_queries: JobQueries, blobs: Blobs) -> None:
        self._job_queries = job_queries
        self._blobs = blobs

    def __call__(self, caller: Caller, job_id: JobId, path: str) -> FileContent:
        """Return a file that was uploaded with the program.

        Raises:
            NotFound: There is no such job, or it has no such file.
            DependencyUnavailable: The store is unavailable.
        """
        details = self._details(caller, job_id)
        return self._read(details, details.job.spec.files, path, NotFound("file", path))

    def artifact(self, caller: Caller, job_id: JobId, path: str) -> FileContent:
        """Return a file that the program wrote in the latest execution.

        Raises:
            NotFound: There is no such job, or it has no such file.
            DependencyUnavailable: The store is unavailable.
        """
        details = self._details(caller, job_id)
        result = None if details.latest is None else details.latest.result
        artifacts = () if result is None else result.artifacts
        return self._read(details, artifacts, path, NotFound("artifact", path))

    def _details(self, caller: Caller, job_id: JobId) -> JobDetails:
        details = self._job_queries.details(caller, job_id)
        if details is None:
            raise NotFound("job", job_id)
        return details

    def _read(
        self, details: JobDetails, files: Iterable[JobFile], path: str, missing: NotFound
    ) -> FileContent:
        file = next((file for file in files if file.path == path), None)
        if file is None:
            raise missing
        try:
            return FileContent(file, self._blobs.read(details.job.tenant, file.blob))
        except NotFound:
            raise missing from None
