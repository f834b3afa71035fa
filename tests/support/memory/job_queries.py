from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import gt, lt

from application.errors import NotFound
from application.lists import Count, FoundJobs, JobFilter
from application.ports.job_queries import JobQueries
from application.ports.purge_repository import StoreName
from application.views import JobDetails, JobStatusView, JobVersion, JobView, LogOwner
from domain.caller import Caller
from domain.execution import Execution
from domain.job import Job
from domain.project import ProjectStatus
from domain.tenant import TenantStatus
from domain.values import JobId, ObjectKey, ProjectId
from tests.support.memory.database import MemoryDatabase, Tables, is_reached


class MemoryJobQueries(JobQueries):
    """Reads committed rows."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    def status(self, caller: Caller, job_id: JobId) -> JobStatusView | None:
        """Return the status of a job, or None if the caller reaches none with that id."""
        details = self.details(caller, job_id)
        return None if details is None else details.status

    def details(self, caller: Caller, job_id: JobId) -> JobDetails | None:
        """Return a job and its executions, or None if the caller reaches none with that id."""
        job = self._database.tables.jobs.get(job_id)
        return (
            None if job is None or not is_reached(self._database.tables, caller, job) else self._details(job)
        )

    def tag_names(
        self, caller: Caller, project_id: ProjectId | None, prefix: str, limit: int
    ) -> Sequence[str]:
        """Return names of tags with a prefix."""
        found = {name for name, _value in self._tags(caller, project_id) if name.startswith(prefix)}
        return sorted(found)[:limit]

    def tag_values(
        self, caller: Caller, project_id: ProjectId | None, name: str, prefix: str, limit: int
    ) -> Sequence[str]:
        """Return values with a prefix of the tags with a name."""
        of_name = {value for other, value in self._tags(caller, project_id) if other == name}
        return sorted(value for value in of_name if value.startswith(prefix))[:limit]

    def _tags(self, caller: Caller, project_id: ProjectId | None) -> Iterable[tuple[str, str]]:
        for job in self._database.tables.jobs.values():
            if is_reached(self._database.tables, caller, job) and project_id in {None, job.project_id}:
                yield from job.spec.tags.items()

    def owners_of_log(self, log_key: ObjectKey) -> Collection[LogOwner]:
        """Return the jobs whose executions have the log with a key."""
        tables = self._database.tables
        owners = [
            tables.jobs[row.execution.job_id]
            for row in tables.executions.values()
            if row.execution.result is not None and row.execution.result.log_key == log_key
        ]
        noted = {(stored.deletion.store, stored.deletion.key) for stored in tables.deletions.values()}
        is_gone = any(
            tables.projects[job.project_id].status is ProjectStatus.PURGED
            or (job.tenant in tables.tenants and tables.tenants[job.tenant].status is TenantStatus.DELETED)
            for job in owners
        )
        if is_gone or (not owners and (StoreName.LOG, log_key) in noted):
            raise NotFound("log", log_key)
        return [LogOwner(tenant=job.tenant, project_id=job.project_id, job_id=job.id) for job in owners]

    def _details(self, job: Job) -> JobDetails:
        tables = self._database.tables
        executions = [row.execution for row in tables.executions.values() if row.execution.job_id == job.id]
        executions.sort(key=lambda each: (each.id == job.current_execution_id, each.requested_at, each.id))
        return JobDetails(
            job=job,
            project=tables.projects[job.project_id].name,
            executions=tuple(executions),
            has_reruns=any(other.spec.rerun_of == job.id for other in tables.jobs.values()),
        )

    def versions(self, job_ids: Collection[JobId]) -> Mapping[JobId, JobVersion]:
        """Return the versions of some jobs' current states."""
        jobs = self._database.tables.jobs
        return {job_id: self._details(jobs[job_id]).version for job_id in job_ids if job_id in jobs}

    def page(self, caller: Caller, wanted: JobFilter) -> FoundJobs:
        """Return jobs that the caller reaches, in the order of the filter."""
        tables = self._database.tables
        jobs = sorted(_matching(tables, caller, wanted), key=_newness, reverse=not wanted.oldest_first)
        return FoundJobs([_view(tables, job) for job in jobs[: wanted.limit]])

    def count(self, caller: Caller, wanted: JobFilter, up_to: int) -> Count:
        """Count the jobs that match a filter."""
        number = sum(1 for _job in _matching(self._database.tables, caller, replace(wanted, cursor=None)))
        return Count(min(number, up_to), is_exact=number <= up_to)


def _matching(tables: Tables, caller: Caller, wanted: JobFilter) -> Iterable[Job]:
    cursor, follows = wanted.cursor, gt if wanted.oldest_first else lt
    for job in tables.jobs.values():
        if (
            is_reached(tables, caller, job)
            and wanted.project_id in {None, job.project_id}
            and (not wanted.statuses or job.status in wanted.statuses)
            and (not wanted.phases or _view(tables, job).phase in wanted.phases)
            and wanted.language in {None, job.spec.language.name}
            and wanted.tags.items() <= job.spec.tags.items()
            and str(job.id).replace("-", "").startswith(wanted.id_prefix or "")
            and (wanted.search is None or _has_text(job, wanted.search.lower()))
            and (wanted.created_after is None or job.created_at > wanted.created_after)
            and (wanted.created_before is None or job.created_at < wanted.created_before)
            and (cursor is None or follows(_newness(job), (cursor.at, cursor.id)))
        ):
            yield job


def _has_text(job: Job, wanted: str) -> bool:
    texts = [job.spec.description or "", *(f"{name}:{value}" for name, value in job.spec.tags.items())]
    digits, searched = str(job.id).replace("-", ""), wanted.replace("-", "") or "-"
    is_at_end = digits.startswith(searched) or digits.endswith(searched)
    return is_at_end or any(wanted in text.lower() for text in texts)


def _newness(job: Job) -> tuple[object, ...]:
    return job.created_at, job.id


def _latest_execution(tables: Tables, job: Job) -> Execution | None:
    current = job.current_execution_id
    return None if current is None else tables.executions[current].execution


def _view(tables: Tables, job: Job) -> JobView:
    execution = _latest_execution(tables, job)
    listed = None if execution is None else replace(execution, stdin=None)
    return JobView.of(job, tables.projects[job.project_id].name, listed)
