"""SQL repository of jobs."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from adapters.sql import tables
from adapters.sql.driver_statements import insert_many
from adapters.sql.errors import inserted
from adapters.sql.mapping import (
    JOB_COLUMNS,
    PROJECT_COLUMNS,
    SPECIFIED_JOB_COLUMNS,
    UNREADABLE,
    is_reached,
    job_state_values,
    job_values,
    reach,
    tag_values,
    to_job,
    to_project,
)
from adapters.sql.tables import job_reruns, job_tags, jobs, projects
from application.errors import ConcurrencyConflict, CorruptRow
from application.ports.job_repository import JobRepository
from domain.caller import Caller
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.project import Project
from domain.values import ExecutionId, JobId

_has_id = jobs.c.job_id == sa.bindparam("id")
_GET = sa.select(*JOB_COLUMNS).where(_has_id)
# Reads fewer columns, because each claim waits for this statement and each column costs time.
_GET_ALL = sa.select(*SPECIFIED_JOB_COLUMNS).where(jobs.c.job_id.in_(sa.bindparam("ids", expanding=True)))
_GET_WITH_PROJECT = (
    sa.select(*PROJECT_COLUMNS, *JOB_COLUMNS)
    .join_from(jobs, projects, projects.c.project_id == jobs.c.project_id)
    .where(_has_id, is_reached)
)
_ADD_TAGS = sa.insert(job_tags)
_ADD_RERUN = sa.insert(job_reruns)
_RERUNS = (
    sa.select(job_reruns.c.job_id)
    .where(job_reruns.c.rerun_of == sa.bindparam("id"))
    .order_by(job_reruns.c.job_id.desc())
    .limit(sa.bindparam("limit"))
)
_CHANGED = ("status", "reason", "updated_at", "started_at", "completed_at", "current_execution_id")
_REPLACE = (
    sa.update(jobs)
    .where(
        jobs.c.job_id == sa.bindparam("id"),
        jobs.c.status == sa.bindparam("expected_status"),
        # COALESCE, because a comparison with NULL is never true.
        sa.func.coalesce(jobs.c.current_execution_id, "")
        == sa.bindparam("expected_execution", type_=sa.String),
    )
    .values({name: sa.bindparam(f"new_{name}") for name in _CHANGED})
)
_REPLACE_TAGS = (
    sa.update(jobs)
    .where(jobs.c.job_id == sa.bindparam("id"), jobs.c.updated_at == sa.bindparam("expected"))
    .values({name: sa.bindparam(f"new_{name}") for name in ("spec", "tags", "updated_at")})
)
_REMOVE_TAGS = sa.delete(job_tags).where(job_tags.c.job_id == sa.bindparam("id"))
_FAIL = (
    sa.update(jobs)
    .where(
        jobs.c.job_id == sa.bindparam("id"),
        jobs.c.status == JobStatus.RUNNING.value,
        jobs.c.current_execution_id == sa.bindparam("execution"),
    )
    .values(
        status=JobStatus.FAILED.value,
        reason=sa.bindparam("reason"),
        completed_at=sa.bindparam("now"),
        updated_at=sa.bindparam("now"),
    )
)


class SqlJobRepository(JobRepository):
    """Repository of jobs. The immutable parts of a job are written only once."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, job: Job) -> None:
        """Store a new job, unless it is stored already."""
        if not inserted(lambda: insert_many(self._connection, tables.jobs, [job_values(job)])):
            return
        if job.spec.tags:
            self._connection.execute(_ADD_TAGS, tag_values(job))
        if job.spec.rerun_of is not None:
            self._connection.execute(_ADD_RERUN, {"job_id": job.id, "rerun_of": job.spec.rerun_of})

    def add_all(self, jobs: Sequence[Job]) -> None:
        """Store new jobs in one statement, or one by one if some are stored already."""
        if not inserted(
            lambda: insert_many(self._connection, tables.jobs, [job_values(job) for job in jobs])
        ):
            for job in jobs:
                self.add(job)
            return
        if tags := [row for job in jobs for row in tag_values(job)]:
            self._connection.execute(_ADD_TAGS, tags)

    def reruns(self, job_id: JobId, limit: int) -> Sequence[JobId]:
        """Return up to `limit` reruns of a job, latest first."""
        return self._connection.execute(_RERUNS, {"id": job_id, "limit": limit}).scalars().all()

    def get_of_any_tenant(self, job_id: JobId) -> Job | None:
        """Return the job with an id, or None."""
        try:
            row = self._connection.execute(_GET, {"id": job_id}).mappings().first()
            return None if row is None else to_job(row)
        except UNREADABLE as error:
            raise CorruptRow(job_id, error) from error

    def get_all_of_any_tenant(self, job_ids: Collection[JobId]) -> Mapping[JobId, Job | CorruptRow]:
        """Return the existing jobs by id, with an error in place of each job that cannot be read."""
        try:
            rows = self._connection.execute(_GET_ALL, {"ids": sorted(job_ids)}).mappings()
            found = [to_job(row) for row in rows]
        except UNREADABLE:  # some job is corrupt, or has no specification
            return {job_id: job for job_id in job_ids if (job := self._get_or_error(job_id)) is not None}
        return {job.id: job for job in found}

    def get_with_project(self, caller: Caller, job_id: JobId) -> tuple[Job, Project] | None:
        """Return the job with an id and its project, or None if the caller can access none."""
        try:
            found = self._connection.execute(_GET_WITH_PROJECT, {"id": job_id, **reach(caller)})
            row = found.mappings().first()
            return None if row is None else (to_job(row), to_project(row))
        except UNREADABLE as error:
            raise CorruptRow(job_id, error) from error

    def _get_or_error(self, job_id: JobId) -> Job | CorruptRow | None:
        try:
            return self.get_of_any_tenant(job_id)
        except CorruptRow as error:
            return error

    def fail(self, job_id: JobId, execution_id: ExecutionId, reason: Reason, now: datetime) -> bool:
        """End a job as FAILED; return whether the execution was its running one."""
        ended = {"id": job_id, "execution": execution_id, "reason": reason.value, "now": now}
        return self._connection.execute(_FAIL, ended).rowcount == 1

    def replace_tags(self, before: Job, after: Job) -> None:
        """Store a job's new tags, if the job has not changed since it was read."""
        values = job_values(after)
        new = {f"new_{name}": values[name] for name in ("spec", "tags", "updated_at")}
        found = self._connection.execute(
            _REPLACE_TAGS, {"id": before.id, "expected": before.updated_at, **new}
        ).rowcount
        if found != 1:
            raise ConcurrencyConflict(f"job {before.id} was changed in the meantime")
        self._connection.execute(_REMOVE_TAGS, {"id": before.id})
        if after.spec.tags:
            self._connection.execute(_ADD_TAGS, tag_values(after))

    def replace(self, before: Job, after: Job) -> None:
        """Store a job's new state, if its status and its current execution have not changed meanwhile."""
        new = {f"new_{name}": value for name, value in job_state_values(after).items()}
        found = self._connection.execute(
            _REPLACE,
            {
                "id": before.id,
                "expected_status": before.status.value,
                "expected_execution": str(before.current_execution_id or ""),
                **new,
            },
        ).rowcount
        if found != 1:
            raise ConcurrencyConflict(f"job {before.id} was changed in the meantime")
