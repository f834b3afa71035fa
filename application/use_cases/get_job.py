from application.errors import NotFound
from application.ports.job_queries import JobQueries
from application.views import JobDetails
from domain.values import JobId


class GetJob:
    """Tell all about a job."""

    def __init__(self, queries: JobQueries) -> None:
        self._queries = queries

    def __call__(self, job_id: JobId) -> JobDetails:
        """Return the job and its executions.

        Raises:
            NotFound: There is no such job.
        """
        details = self._queries.details(job_id)
        if details is None:
            raise NotFound("job", job_id)
        return details
