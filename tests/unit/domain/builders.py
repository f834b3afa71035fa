"""Valid objects with defaults, so that a test names only its own values."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.execution import Execution, ExecutionResult
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.language import parse_language
from domain.limits import STANDARD_LIMITS
from domain.project import Project, ProjectStatus
from domain.submission import JobSpec
from domain.tenant import DEFAULT_TENANT
from domain.values import ExecutionId, JobId, ObjectKey, ProjectId, ProjectName

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(seconds=5)
JOB_ID = JobId(UUID(int=1))
PROJECT_ID = ProjectId(7)
PROJECT = Project(
    id=PROJECT_ID,
    tenant=DEFAULT_TENANT,
    name=ProjectName("demo"),
    description=None,
    status=ProjectStatus.ACTIVE,
    created_at=NOON,
    active_at=NOON,
)
FIRST = ExecutionId(UUID(int=11))
SECOND = ExecutionId(UUID(int=12))
THIRD = ExecutionId(UUID(int=13))

SUCCESS = ExecutionResult(status=JobStatus.SUCCESS, exit_code=0)
FAILURE = ExecutionResult(status=JobStatus.FAILED, reason=Reason.NONZERO_EXIT, exit_code=1)
TIMEOUT = ExecutionResult(status=JobStatus.TIMEOUT, reason=Reason.WALL_TIME_LIMIT)
CANCELLED = ExecutionResult(status=JobStatus.CANCELLED, reason=Reason.CANCELLED)


def a_spec(**fields) -> JobSpec:
    given = {
        "code_key": ObjectKey("demo/main.py"),
        "language": parse_language("python"),
        "limits": STANDARD_LIMITS.resolve({}),
    }
    return JobSpec(**(given | fields))


def a_pending_job(**spec) -> Job:
    job, _ = Job.submit(JOB_ID, PROJECT, a_spec(**spec), NOON)
    return job


def a_running_job(**spec) -> tuple[Job, Execution]:
    job, execution, _ = a_pending_job(**spec).start(FIRST, None, NOON)
    return job, execution


def a_job_that_is(status: JobStatus) -> Job:
    """Take a job to a status by the commands alone."""
    if status is JobStatus.PENDING:
        return a_pending_job()
    running, _ = a_running_job()
    if status is JobStatus.RUNNING:
        return running
    if status is JobStatus.CANCELLED:
        return running.cancel(NOON)[0]
    result = next(result for result in (SUCCESS, FAILURE, TIMEOUT) if result.status is status)
    return running.complete(FIRST, result, NOON)[0]
