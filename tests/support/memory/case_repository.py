from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from application.ports.case_repository import CaseRange, CaseRepository, CaseRun, JobBuild
from domain.cases import CaseResult
from domain.job_lifecycle import JobStatus
from domain.tenant import TenantName, TenantStatus
from domain.values import JobId
from tests.support.memory.database import StoredRange, Tables, is_from_the_future
from tests.support.memory.execution_repository import MemoryExecutionRepository


class MemoryCaseRepository(CaseRepository):
    """The cases of jobs in a transaction's tables."""

    def __init__(self, tables: Tables, now: Callable[[], datetime]) -> None:
        self._tables = tables
        self._ranges = tables.case_ranges
        self._now = now

    def open(
        self, job_id: JobId, range_id: UUID, total: int, run: CaseRun, builds: Collection[JobBuild] = ()
    ) -> bool:
        """Record that a job's program is built; return False if that is already recorded."""
        if job_id in self._tables.case_runs:
            return False
        self._tables.case_runs[job_id] = run
        tenant = self._tables.jobs[job_id].tenant
        of_all = CaseRange(id=range_id, job_id=job_id, tenant=tenant, first=0, last=total - 1)
        self._ranges[range_id] = StoredRange(range=of_all)
        self._tables.job_builds.update({(job_id, build.key): build for build in builds})
        return True

    def find_build(self, tenant: TenantName, key: str) -> JobBuild | None:
        """Return a build with a key that a job of the tenant has; None if there is none."""
        for (job_id, of_key), build in self._tables.job_builds.items():
            if of_key == key and self._tables.jobs[job_id].tenant == tenant:
                return build
        return None

    def get(self, job_id: JobId) -> CaseRun | None:
        """Return the cases of a job."""
        return self._tables.case_runs.get(job_id)

    def claim(self, job_id: JobId, range_id: UUID, limit: int, lease_s: float) -> CaseRange | None:
        """Claim cases from the beginning of the first free range."""
        free = [row for row in self._ranges.values() if row.range.job_id == job_id and self._is_free(row)]
        if not free or not self._is_running(job_id):
            return None
        row = min(free, key=lambda row: row.range.first)
        last = min(row.range.last, row.range.first + limit - 1)
        claimed = replace(row.range, id=range_id, last=last)
        del self._ranges[row.range.id]
        if last < row.range.last:
            self._ranges[row.range.id] = replace(row, range=replace(row.range, first=last + 1))
        self._lease(StoredRange(range=claimed), lease_s)
        done = {index for job, index in self._tables.case_results if job == job_id}
        return replace(claimed, done=frozenset(done & set(range(claimed.first, last + 1))))

    def offered(self, languages: Collection[str] | None, limit: int) -> Sequence[JobId]:
        """Return RUNNING jobs with cases that can be claimed."""
        claims, free = Counter[JobId](), set()
        for row in self._ranges.values():
            if self._is_free(row):
                free.add(row.range.job_id)
            else:
                claims[row.range.job_id] += 1
        found = [job_id for job_id in free if self._may_be_helped(job_id, languages, claims)]
        return sorted(found, key=lambda job_id: (claims[job_id], str(job_id)))[:limit]

    def remaining(self, job_id: JobId) -> int:
        """Return the number of a job's ranges that are not done."""
        return sum(row.range.job_id == job_id for row in self._ranges.values())

    def record(
        self, range_id: UUID, results: Sequence[CaseResult], *, is_done: bool, lease_s: float
    ) -> CaseRun | None:
        """Store results, if the claim is valid."""
        row = self._ranges.get(range_id)
        if row is None or not self._is_running(row.range.job_id):
            return None
        self._lease(row, lease_s)
        for result in results:
            key = row.range.job_id, result.index
            assert key not in self._tables.case_results
            self._tables.case_results[key] = result
        if is_done:
            del self._ranges[range_id]
        return self.get(row.range.job_id)

    def skip_after(self, job_id: JobId, index: int) -> None:
        """Skip the cases after an index."""
        run = self._tables.case_runs[job_id]
        if run.skip_after is None or run.skip_after > index:
            self._tables.case_runs[job_id] = replace(run, skip_after=index)

    def renew(self, range_ids: Collection[UUID], lease_s: float) -> set[UUID]:
        """Renew the leases of claims; return the claims that are valid."""
        rows = [self._ranges[one] for one in range_ids if one in self._ranges]
        kept = [row for row in rows if self._is_running(row.range.job_id)]
        for row in kept:
            self._lease(row, lease_s)
        return {row.range.id for row in kept}

    def release(self, range_ids: Collection[UUID]) -> None:
        """End claims."""
        for one in range_ids:
            if one in self._ranges:
                self._ranges[one] = StoredRange(range=self._ranges[one].range)

    def results(self, job_id: JobId) -> Sequence[CaseResult]:
        """Return the results so far, by index."""
        found = [result for (job, _), result in self._tables.case_results.items() if job == job_id]
        return sorted(found, key=lambda result: result.index)

    def _lease(self, row: StoredRange, lease_s: float) -> None:
        now = self._now()
        until = now + timedelta(seconds=lease_s)
        self._ranges[row.range.id] = replace(row, leased_at=now, lease_expires_at=until)

    def _is_free(self, row: StoredRange) -> bool:
        if row.leased_at is None or row.lease_expires_at is None:
            return True
        now = self._now()
        return row.lease_expires_at < now or is_from_the_future(row.leased_at, now)

    def _is_running(self, job_id: JobId) -> bool:
        return self._tables.jobs[job_id].status is JobStatus.RUNNING

    def _may_be_helped(
        self, job_id: JobId, languages: Collection[str] | None, claims: Counter[JobId]
    ) -> bool:
        job = self._tables.jobs[job_id]
        if not self._is_running(job_id) or not (languages is None or job.spec.language.name in languages):
            return False
        tenant = self._tables.tenants[job.tenant]
        helpers = sum(claims[other] - 1 for other in claims if self._tables.jobs[other].tenant == job.tenant)
        return tenant.status is TenantStatus.ACTIVE and self._has_room(job.tenant, helpers)

    def _has_room(self, tenant: TenantName, helpers: int) -> bool:
        bound = self._tables.tenants[tenant].quota.running
        running = MemoryExecutionRepository(self._tables, self._now).count_running(tenant)
        return bound is None or running + helpers < bound
