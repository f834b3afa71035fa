from application.errors import NotFound
from application.ports.job_queries import JobQueries
from application.views import JobStatusView
from domain.values import JobId


class GetJobStatus:
    """Tell where a job stands."""

    def __init__(self, queries: JobQueries) -> None:
        self._queries = queries

    def __call__(self, job_id: JobId) -> JobStatusView:
        """Return the job's status.

        Raises:
            NotFound: There is no such job.
        """
        status = self._queries.status(job_id)
        if status is None:
            raise NotFound("job", job_id)
        return status
