"""The jobs that their retention policies no longer keep."""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from application.ports.clock import Clock
from application.ports.retention_repository import Place, Policies, WalkedJobs
from application.ports.unit_of_work import UnitOfWork
from domain.job_lifecycle import JobStatus
from domain.retention import FOREVER, Retention
from domain.tenant import TenantName
from domain.values import ProjectId

# The field of a policy that applies to jobs of each status. RUNNING jobs are always kept.
_FIGURES: Mapping[JobStatus, str] = {
    JobStatus.PENDING: "pending_days",
    **{status: "jobs_days" for status in JobStatus if status.is_terminal},
}
_PROJECTS_AT_ONCE = 500
# An estimate counts at most this many jobs per project and status, and averages over this many.
_COUNTED, _SAMPLED = 1_000_000, 200


@dataclass(frozen=True, slots=True)
class DueJobs:
    """The jobs of a project and a status that are older than a given time."""

    tenant: TenantName
    project: ProjectId
    status: JobStatus
    before: datetime


class DueJobsFinder:
    """Finds the jobs that are due, by project and status.

    Args:
        default: The policy of owners that have no policy.
    """

    def __init__(self, unit_of_work: UnitOfWork, clock: Clock, default: Retention) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._default = default

    def policies(self) -> Policies:
        """Return the policies of all owners."""
        return self._unit_of_work.read(lambda t: t.retention.policies(self._default))

    def find(self) -> Iterator[DueJobs]:
        """Yield the projects and statuses that may have jobs that are due."""
        policies = self.policies()
        if not any(policies.figures(name) - {FOREVER} for name in set(_FIGURES.values())):
            return
        after = ProjectId(0)
        while page := self._projects(after):
            after = page[-1][0]
            due = list(self._due_among(page, policies))
            random.shuffle(due)  # so that processes rarely work on the same project
            yield from due

    def is_still_due(self, due: DueJobs) -> bool:
        """Whether the policy is still as short: a run may take long, and the owner may change the policy."""
        policies = self._unit_of_work.read(
            lambda t: t.retention.policies(self._default, due.tenant, due.project)
        )
        policy = policies.of(due.tenant, due.project)
        before = policy.kept_since(_FIGURES[due.status], self._clock.now())
        return before is not None and due.before <= before

    def walk(self, due: DueJobs, place: Place | None, limit: int) -> WalkedJobs:
        """Examine the next jobs after a position."""
        return self._unit_of_work.read(
            lambda t: t.retention.walk_jobs(due.project, due.status, due.before, place, limit)
        )

    def estimate(self, due: DueJobs) -> Mapping[str, int]:
        """Return the numbers of their rows, objects and bytes, by kind, extrapolated from the oldest jobs."""
        rows = self._unit_of_work.read(
            lambda t: t.retention.due_rows(due.project, due.status, due.before, _COUNTED, _SAMPLED)
        )
        if not rows.sampled:
            return {}
        times = rows.jobs / rows.sampled
        return {
            "jobs": rows.jobs,
            "executions": round(rows.executions * times),
            "tags": round(rows.tags * times),
            "objects": rows.jobs + round(rows.logs * times),
            "bytes": round((rows.code_bytes + rows.log_bytes) * times),
        }

    def _projects(self, after: ProjectId) -> Sequence[tuple[ProjectId, TenantName]]:
        return self._unit_of_work.read(lambda t: t.retention.projects(after, _PROJECTS_AT_ONCE))

    def _due_among(
        self, projects: Sequence[tuple[ProjectId, TenantName]], policies: Policies
    ) -> Iterator[DueJobs]:
        now = self._clock.now()
        owners = dict(projects)
        by_end: dict[tuple[JobStatus, datetime], list[ProjectId]] = defaultdict(list)
        for project, tenant in projects:
            policy = policies.of(tenant, project)
            for status, name in _FIGURES.items():
                if (before := policy.kept_since(name, now)) is not None:
                    by_end[status, before].append(project)
        for (status, before), of_end in by_end.items():
            found = self._with_jobs(of_end, status, before)
            yield from (DueJobs(owners[project], project, status, before) for project in found)

    def _with_jobs(
        self, projects: Sequence[ProjectId], status: JobStatus, before: datetime
    ) -> Sequence[ProjectId]:
        return self._unit_of_work.read(lambda t: t.retention.with_jobs(projects, status, before))
