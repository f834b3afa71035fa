from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from application.ports.job_queries import JobQueries
from application.views import FoundJobs, JobDetails, JobFilter, JobStatusView, JobVersion, JobView
from domain.execution import Execution
from domain.job import Job
from domain.values import JobId
from tests.support.memory.database import MemoryDatabase, Tables


class MemoryJobQueries(JobQueries):
    """Reads committed rows."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    def status(self, job_id: JobId) -> JobStatusView | None:
        """Return where a job stands, or None if there is none of that id."""
        details = self.details(job_id)
        return None if details is None else details.status

    def details(self, job_id: JobId) -> JobDetails | None:
        """Return all about a job, or None if there is none of that id."""
        tables = self._database.tables
        job = tables.jobs.get(job_id)
        if job is None:
            return None
        executions = [row.execution for row in tables.executions.values() if row.execution.job_id == job_id]
        executions.sort(key=lambda execution: (execution.requested_at, execution.id))
        return JobDetails(
            job=job,
            project=tables.projects[job.project_id].name,
            executions=tuple(executions),
        )

    def versions(self, job_ids: Collection[JobId]) -> Mapping[JobId, JobVersion]:
        """Return a token of the present states of some jobs."""
        found = {job_id: self.details(job_id) for job_id in job_ids}
        return {job_id: details.version for job_id, details in found.items() if details is not None}

    def page(self, wanted: JobFilter) -> FoundJobs:
        """Return jobs, newest first."""
        tables = self._database.tables
        jobs = sorted(_matching(tables, wanted), key=_newness, reverse=True)
        return FoundJobs([_view(tables, job) for job in jobs[: wanted.limit]])


def _matching(tables: Tables, wanted: JobFilter) -> Iterable[Job]:
    cursor = wanted.cursor
    for job in tables.jobs.values():
        if (
            wanted.project_id in {None, job.project_id}
            and (not wanted.statuses or job.status in wanted.statuses)
            and (not wanted.phases or _view(tables, job).phase in wanted.phases)
            and wanted.language in {None, job.spec.language.name}
            and wanted.tags.items() <= job.spec.tags.items()
            and (wanted.created_after is None or job.created_at > wanted.created_after)
            and (wanted.created_before is None or job.created_at < wanted.created_before)
            and (cursor is None or _newness(job) < (cursor.created_at, cursor.job_id))
        ):
            yield job


def _newness(job: Job) -> tuple[object, ...]:
    return job.created_at, job.id


def _latest_execution(tables: Tables, job: Job) -> Execution | None:
    current = job.current_execution_id
    return None if current is None else tables.executions[current].execution


def _view(tables: Tables, job: Job) -> JobView:
    execution = _latest_execution(tables, job)
    listed = None if execution is None else replace(execution, stdin=None)
    return JobView.of(job, tables.projects[job.project_id].name, listed)
