"""Read of a file that a program wrote."""

from dataclasses import dataclass

from application.blobs import Blobs
from application.errors import NotFound
from application.ports.job_queries import JobQueries
from domain.caller import Caller
from domain.files import JobFile
from domain.values import JobId


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that a program wrote. Its digest identifies its content."""

    file: JobFile
    data: bytes


class ReadArtifact:
    """Read a file that the latest execution of a job wrote and that was kept."""

    def __init__(self, queries: JobQueries, blobs: Blobs) -> None:
        self._queries = queries
        self._blobs = blobs

    def __call__(self, caller: Caller, job_id: JobId, path: str) -> Artifact:
        """Return the file.

        Raises:
            NotFound: There is no such job, or it has no such file.
            DependencyUnavailable: The store is out of reach.
        """
        details = self._queries.details(caller, job_id)
        if details is None:
            raise NotFound("job", job_id)
        execution = details.latest
        result = None if execution is None else execution.result
        artifacts = () if result is None else result.artifacts
        file = next((file for file in artifacts if file.path == path), None)
        if file is None:
            raise NotFound("artifact", path)
        try:
            return Artifact(file, self._blobs.read(details.job.tenant, file.blob))
        except NotFound:
            raise NotFound("artifact", path) from None
