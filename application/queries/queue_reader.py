"""Reads of the queue: running and waiting jobs, and why they wait."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.ports.dashboard_queries import DashboardQueries, QueuedJob
from application.queries.wait_causes import (
    Capacity,
    ExplainedWait,
    WaitCause,
    WaitCauses,
    WaitingExecution,
)
from domain.caller import Caller, Scope

# The maximum number of running jobs, and of waiting jobs, that are listed.
MAX_LISTED = 100
# For a caller restricted to one project, this many of its tenant's jobs are searched.
_SCANNED = 1_000
_TIMED = {WaitCause.RETRY, WaitCause.ENGINE}


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """A waiting job, its position among its tenant's waiting jobs, and the cause of its wait.

    Attributes:
        place: None while it is delayed.
    """

    job: QueuedJob
    place: int | None
    wait: ExplainedWait


@dataclass(frozen=True, slots=True)
class QueueView:
    """The running and waiting jobs that a caller can access, up to a maximum of each."""

    running: Sequence[QueuedJob]
    waiting: Sequence[WaitingJob]
    capacity: Capacity


@dataclass(frozen=True, slots=True)
class WaitSummary:
    """The number of examined waiting jobs that have the same cause."""

    wait: ExplainedWait
    jobs: int


class QueueReader:
    """Reads the queue.

    * A caller sees the jobs of its tenant or of its project; an administrator sees the jobs of all tenants.
    * Each list is bounded, and read in the order of an index. If there are several tenants, each gets a
      share.
    """

    def __init__(self, dashboard_queries: DashboardQueries, wait_causes: WaitCauses) -> None:
        self._dashboard_queries = dashboard_queries
        self._wait_causes = wait_causes

    def __call__(self, caller: Caller) -> QueueView:
        """Return the running jobs, longest-running first, and the waiting jobs, next first."""
        tenant = None if caller.has(Scope.ADMIN) else caller.tenant.name
        scanned = MAX_LISTED if caller.project is None else _SCANNED
        running = [
            job
            for job in self._dashboard_queries.running(tenant, scanned)
            if caller.project in {None, job.project_id}
        ]
        return QueueView(
            running=sorted(running, key=lambda job: job.since)[:MAX_LISTED],
            waiting=self._waiting(caller, MAX_LISTED),
            capacity=self._wait_causes.capacity(),
        )

    def causes(self, caller: Caller) -> Sequence[WaitSummary]:
        """Return why the next jobs wait, the most frequent cause first."""
        waits: dict[tuple[WaitCause, str], list[ExplainedWait]] = {}
        for waiting in self._waiting(caller, MAX_LISTED):
            # Sentences that contain times differ between jobs.
            sentence = "" if waiting.wait.cause in _TIMED else str(waiting.wait.sentence)
            waits.setdefault((waiting.wait.cause, sentence), []).append(waiting.wait)
        by_number = sorted(waits.values(), key=len, reverse=True)
        return [WaitSummary(same[0], len(same)) for same in by_number]

    def _waiting(self, caller: Caller, limit: int) -> Sequence[WaitingJob]:
        scanned = limit if caller.project is None else _SCANNED
        if caller.has(Scope.ADMIN):
            tenants = self._dashboard_queries.waiting_tenants()
        else:
            tenants = [caller.tenant.name]
        each = max(scanned // max(len(tenants), 1), 1)
        found = [
            (job, None if job.delayed_until else place)
            for tenant in tenants
            for place, job in enumerate(self._dashboard_queries.waiting(tenant, each), 1)
            if caller.project in {None, job.project_id}
        ]
        found.sort(key=lambda at_place: (at_place[1] is None, at_place[1] or 0, at_place[0].requested_at))
        waits = self._wait_causes.of(*(_as_waiting(job) for job, _place in found[:limit]))
        return [WaitingJob(job, place, wait) for (job, place), wait in zip(found[:limit], waits, strict=True)]


def _as_waiting(job: QueuedJob) -> WaitingExecution:
    return WaitingExecution(
        tenant=job.tenant,
        queue=job.queue,
        deferred_since=job.deferred_since,
        delayed_until=job.delayed_until,
    )
