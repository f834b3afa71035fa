"""Jobs driven through random histories of right, wrong and late commands."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.errors import JobTransitionRefused
from domain.events import Event, JobCancelled, JobCompleted, JobRetried, JobStarted
from domain.execution import Execution
from domain.job import Job
from domain.job_lifecycle import JobStatus
from domain.values import ExecutionId
from tests.unit.domain.builders import CANCELLED, FAILURE, JOB_ID, NOON, PROJECT, SUCCESS, TIMEOUT, a_spec

RESULTS = st.sampled_from([SUCCESS, FAILURE, TIMEOUT, CANCELLED])


class JobHistory(RuleBasedStateMachine):
    """A job, its executions and its events after any commands in any order."""

    @initialize()
    def submit(self):
        self.now = NOON
        self.executions: list[Execution] = []
        self.first_end: Job | None = None
        self.job, events = Job.submit(JOB_ID, PROJECT, a_spec(), self.now)
        self.events: list[Event] = list(events)

    @rule()
    def start(self):
        execution_id = self.new_id()
        if self.job.status is not JobStatus.PENDING:
            self.refused(lambda: self.job.start(execution_id, None, self.now))
            return
        job, execution, events = self.job.start(execution_id, None, self.now)
        self.executions.append(execution)
        self.become(job, events)

    @precondition(lambda self: self.executions)
    @rule(data=st.data())
    def claim_and_start(self, data):
        index = data.draw(st.integers(0, len(self.executions) - 1))
        claimed = replace(
            self.executions[index], claimed_at=self.now, claimed_by="worker", started_at=self.now
        )
        self.executions[index] = claimed

    @precondition(lambda self: self.executions)
    @rule(data=st.data(), result=RESULTS)
    def complete_any_execution(self, data, result):
        execution = data.draw(st.sampled_from(self.executions))
        before = self.job
        counts = (
            before.status is JobStatus.RUNNING
            and execution.id == before.current_execution_id
            and result is not CANCELLED
        )
        job, events = before.complete(execution.id, result, self.now)
        assert (job != before) is bool(events) is counts
        self.become(job, events)

    @rule(result=RESULTS)
    def complete_an_execution_of_another_job(self, result):
        stranger = ExecutionId(UUID(int=2**100))
        if self.job.status is JobStatus.PENDING and result is not CANCELLED:
            self.refused(lambda: self.job.complete(stranger, result, self.now))
        else:
            assert self.job.complete(stranger, result, self.now) == (self.job, ())

    @precondition(lambda self: self.executions)
    @rule(data=st.data())
    def lose_any_execution(self, data):
        lost = data.draw(st.sampled_from(self.executions))
        before = self.job
        counts = before.status is JobStatus.RUNNING and lost.id == before.current_execution_id
        job, execution, events = before.retry(lost, self.new_id(), self.now)
        assert (execution is not None) is bool(events) is counts
        if execution is not None:
            self.executions.append(execution)
        self.become(job, events)

    @rule()
    def cancel(self):
        if self.job.status.is_terminal:
            self.refused(lambda: self.job.cancel(self.now))
            return
        self.become(*self.job.cancel(self.now))

    @invariant()
    def a_terminal_job_never_changes(self):
        if self.first_end is not None:
            assert self.job == self.first_end

    @invariant()
    def a_job_ends_with_exactly_one_event(self):
        ends = [event for event in self.events if isinstance(event, JobCompleted | JobCancelled)]
        assert len(ends) == (1 if self.job.status.is_terminal else 0)
        if ends and isinstance(ends[0], JobCompleted):
            assert (ends[0].status, ends[0].reason) == (self.job.status, self.job.reason)
            assert ends[0].execution_id == self.job.current_execution_id

    @invariant()
    def the_fence_is_the_latest_execution(self):
        latest = self.executions[-1].id if self.executions else None
        assert self.job.current_execution_id == latest

    @invariant()
    def attempts_are_numbered_and_announced(self):
        assert [execution.number for execution in self.executions] == list(range(1, len(self.executions) + 1))
        announced = [event for event in self.events if isinstance(event, JobStarted | JobRetried)]
        assert [event.execution_id for event in announced] == [execution.id for execution in self.executions]

    @invariant()
    def the_times_and_the_reason_fit_the_status(self):
        job = self.job
        assert (job.completed_at is not None) is job.status.is_terminal
        assert (job.started_at is not None) is bool(self.executions)
        assert (job.reason is not None) is (job.status.is_terminal and job.status is not JobStatus.SUCCESS)
        assert job.created_at <= job.updated_at <= self.now

    def new_id(self) -> ExecutionId:
        return ExecutionId(UUID(int=len(self.executions) + 1))

    def become(self, job: Job, events: tuple[Event, ...]) -> None:
        self.job = job
        self.events.extend(events)
        if self.first_end is None and job.status.is_terminal:
            self.first_end = job
        self.now += timedelta(seconds=1)

    def refused(self, command) -> None:
        try:
            command()
        except JobTransitionRefused:
            return
        raise AssertionError("the status should have forbidden it")


TestJobHistory = JobHistory.TestCase
