"""Query: read a file that a program wrote."""

from application.blobs import Blobs
from application.errors import NotFound
from application.ports.job_queries import JobQueries
from application.use_cases.read_file import FileContent
from domain.caller import Caller
from domain.values import JobId


class ReadArtifact:
    """Reads an artifact of the latest execution of a job."""

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
        execution = details.latest
        result = None if execution is None else execution.result
        artifacts = () if result is None else result.artifacts
        file = next((file for file in artifacts if file.path == path), None)
        if file is None:
            raise NotFound("artifact", path)
        try:
            return FileContent(file, self._blobs.read(details.job.tenant, file.blob))
        except NotFound:
            raise NotFound("artifact", path) from None
