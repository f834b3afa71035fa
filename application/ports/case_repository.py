"""The port to the cases of jobs: the ranges that are still to run, and the results."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.blob import BlobRef
from domain.cases import CaseResult
from domain.execution import Output
from domain.tenant import TenantName
from domain.values import JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRun:
    """The cases of a job whose program is built.

    Attributes:
        tree: The files of the build; None if there was no build.
        skip_after: The index after which cases are skipped; None if there is none.
    """

    tree: BlobRef | None
    compile_output: Output | None = None
    skip_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBuild:
    """A build that belongs to a job: of its program, or of its judge.

    Attributes:
        key: A digest of all inputs of the build.
        tree: The files of the build, to which the job refers.
    """

    key: str
    tree: BlobRef
    compile_output: Output | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRange:
    """Cases of a job that one thread of a worker runs, under a lease.

    Attributes:
        id: The fence of every write about these cases: another claim has another id.
        first: The index of the first case.
        last: The index of the last case.
        done: The indexes of cases that already have a result.
    """

    id: UUID
    job_id: JobId
    tenant: TenantName
    first: int
    last: int
    done: frozenset[int] = frozenset()


class CaseRepository(ABC):
    """The cases of a job, as the transaction sees them. Leases use the database's time.

    The cases of a job begin as one range. A claim takes some cases from the front of an unclaimed range or of
    a range with an expired lease, as long as the job is RUNNING. A range is removed when all of its cases
    have a result.
    """

    @abstractmethod
    def open(
        self, job_id: JobId, range_id: UUID, total: int, run: CaseRun, builds: Collection[JobBuild] = ()
    ) -> bool:
        """Record that a job's program is built; if that is already recorded, change nothing and return False.

        Args:
            job_id: The job.
            range_id: The id of the range of all cases.
            total: The number of cases.
            run: The record.
            builds: The builds that other jobs of the tenant can reuse; they are removed with the job.
        """

    @abstractmethod
    def find_build(self, tenant: TenantName, key: str) -> JobBuild | None:
        """Return a build with the key that a job of the tenant has; None if there is none."""

    @abstractmethod
    def get(self, job_id: JobId) -> CaseRun | None:
        """Return the cases of a job; None if its program is not built yet."""

    @abstractmethod
    def claim(self, job_id: JobId, range_id: UUID, limit: int, lease_s: float) -> CaseRange | None:
        """Claim up to `limit` of a job's unclaimed cases, in order; None if there are none."""

    @abstractmethod
    def offered(self, languages: Collection[str] | None, limit: int) -> Sequence[JobId]:
        """Return RUNNING jobs with cases that may be claimed, the ones with the fewest claims first.

        With `languages`, only jobs in these languages. Jobs of a tenant that is not active, or whose
        executions and claims of cases use up its quota of running executions, are omitted.
        """

    @abstractmethod
    def remaining(self, job_id: JobId) -> int:
        """Return the number of a job's ranges that are not done."""

    @abstractmethod
    def record(
        self, range_id: UUID, results: Sequence[CaseResult], *, is_done: bool, lease_s: float
    ) -> CaseRun | None:
        """Store results, renew the lease, and remove the range if it is done.

        Returns the state of the cases. If the claim is lost or the job is no longer RUNNING, returns None and
        stores nothing.
        """

    @abstractmethod
    def skip_after(self, job_id: JobId, index: int) -> None:
        """Skip the cases after an index, unless a lower index is already set."""

    @abstractmethod
    def renew(self, range_ids: Collection[UUID], lease_s: float) -> set[UUID]:
        """Extend the leases of claims; return the claims that are still valid and whose jobs are RUNNING."""

    @abstractmethod
    def release(self, range_ids: Collection[UUID]) -> None:
        """End claims, so that others may claim their cases."""

    @abstractmethod
    def results(self, job_id: JobId) -> Sequence[CaseResult]:
        """Return the results so far, sorted by index."""
