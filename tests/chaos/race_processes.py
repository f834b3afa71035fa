"""One of the processes that race for the end of the same jobs."""

import os
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

from adapters.sql.mapping import STORED_STATES, execution_values, job_values
from adapters.sql.tables import executions, jobs
from application.use_cases.complete_execution import MessageKey
from domain.errors import TransitionRefused
from domain.execution import Execution, ExecutionResult
from domain.execution_lifecycle import ExecutionState
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.language import LANGUAGES
from domain.limits import STANDARD_LIMITS
from domain.submission import JobSpec
from domain.values import ExecutionId, JobId, ObjectKey
from entrypoints.container import Container, build_container
from entrypoints.settings import Settings
from tests.support.callers import ANONYMOUS
from tests.support.samples import the_project

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO = datetime(2026, 1, 1, 1, tzinfo=UTC)
MEETING_S = 30


@dataclass(frozen=True, slots=True)
class Contested:
    """A running job whose worker is overdue, so that anything may end it."""

    job: Job
    execution: Execution

    @classmethod
    def number(cls, number: int) -> "Contested":
        """Make the job of a number: every second one may have a second attempt."""
        spec = JobSpec(
            code_key=ObjectKey(f"races/{number}.py"),
            language=LANGUAGES["python"],
            limits=STANDARD_LIMITS.resolve({}),
            max_attempts=1 + number % 2,
        )
        pending, _events = Job.submit(JobId(UUID(int=2 * number)), the_project(1), spec, BEGIN)
        return cls(*pending.start(ExecutionId(UUID(int=2 * number + 1)), None, BEGIN)[:2])

    def rows(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return it as it is stored: claimed and started, and the lease run out."""
        claim = {
            "state": STORED_STATES[ExecutionState.CLAIMED],
            "claimed_by": "gone",
            "claimed_at": BEGIN,
            "started_at": BEGIN,
            "lease_expires_at": LONG_AGO,
        }
        return job_values(self.job), execution_values(self.job, self.execution) | claim


def fill(container: Container, contested: Sequence[Contested]) -> None:
    """Store jobs to race for."""
    rows = [one.rows() for one in contested]
    with container.database().begin() as connection:
        connection.execute(jobs.insert(), [job for job, _execution in rows])
        connection.execute(executions.insert(), [execution for _job, execution in rows])


def race(environment: Mapping[str, str], races: int, seed: int, barriers: Sequence[Barrier]) -> None:
    """Do something to each job in turn, each at the moment that another process does something to it."""
    os.environ.update(environment)
    container = build_container(Settings())
    lanes = [
        Thread(target=_run_lane, args=(container, range(lane, races, len(barriers)), seed, barrier))
        for lane, barrier in enumerate(barriers)
    ]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    container.database().dispose()


def _run_lane(container: Container, numbers: range, seed: int, barrier: Barrier) -> None:
    chance = random.Random(f"{seed} {numbers}")
    for number in numbers:
        contested = Contested.number(number)
        act = chance.choice(ACTS)
        barrier.wait(MEETING_S)
        act(container, contested)


def finish(container: Container, contested: Contested) -> None:
    """End the job as the worker does that ran its program."""
    result = ExecutionResult(status=JobStatus.SUCCESS, exit_code=0)
    container.services().complete_execution(contested.execution.id, result)


def deliver(container: Container, contested: Contested) -> None:
    """Deliver an engine's report; another process may deliver the same one."""
    result = ExecutionResult(status=JobStatus.FAILED, reason=Reason.NONZERO_EXIT, exit_code=1)
    message = MessageKey("race", str(contested.execution.id))
    container.services().complete_execution(contested.execution.id, result, message)


def cancel(container: Container, contested: Contested) -> None:
    """Cancel the job; it may have ended."""
    with suppress(TransitionRefused):
        container.services().cancel_job(ANONYMOUS, contested.job.id)


def recover(container: Container, contested: Contested) -> None:
    """Recover the execution, as every sweep does that finds it overdue."""
    container.services().expire_execution(contested.execution)


ACTS: tuple[Callable[[Container, Contested], None], ...] = (finish, deliver, cancel, recover)
