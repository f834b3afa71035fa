"""Domain events: facts about jobs and batches, in the past tense."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.job_lifecycle import JobStatus, Reason
from domain.values import BatchId, ExecutionId, JobId, ProjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSubmitted:
    """A job was accepted and its code stored."""

    job_id: JobId
    project_id: ProjectId
    occurred_at: datetime
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted:
    """The execution of a job was requested: it is RUNNING, and an execution waits for a worker."""

    job_id: JobId
    execution_id: ExecutionId
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionStarted:
    """An engine started a job's program."""

    job_id: JobId
    execution_id: ExecutionId
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRetried:
    """An execution was lost by its worker or engine, requeued, or failed, and another one replaces it.

    Attributes:
        delay_s: The delay in seconds before the new execution may be claimed.
    """

    job_id: JobId
    lost_execution_id: ExecutionId
    execution_id: ExecutionId
    occurred_at: datetime
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCompleted:
    """A job ended with an outcome.

    Attributes:
        language: None if the job could not be read.
        run_ms: The wall time of its program, if it ran and its engine measured it.
    """

    job_id: JobId
    execution_id: ExecutionId
    status: JobStatus
    reason: Reason | None
    occurred_at: datetime
    language: str | None
    run_ms: int | None = None
    batch_id: BatchId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCancelled:
    """A job was cancelled; its execution, if any, has to be stopped."""

    job_id: JobId
    execution_id: ExecutionId | None
    occurred_at: datetime
    language: str
    batch_id: BatchId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSubmitted:
    """The jobs of a batch were accepted.

    Attributes:
        executions: The number of executions that now wait for workers.
        languages: The number of jobs in each language.
    """

    batch_id: BatchId
    executions: int
    occurred_at: datetime
    languages: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCompleted:
    """The last job of a batch ended."""

    batch_id: BatchId
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CasesJudged:
    """Cases of a job got results.

    Attributes:
        total: The number of all cases of the job.
        cases: The index, name, verdict, time and memory of each case; these are visible even for hidden
            cases.
    """

    job_id: JobId
    execution_id: ExecutionId
    total: int
    cases: tuple[Mapping[str, Any], ...]
    occurred_at: datetime


Event = (
    JobSubmitted
    | JobStarted
    | ExecutionStarted
    | JobRetried
    | JobCompleted
    | JobCancelled
    | BatchSubmitted
    | BatchCompleted
    | CasesJudged
)
