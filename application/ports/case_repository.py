"""The port to the cases of jobs: the ranges of them that are still to run, and their results."""

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
        tree: The files that the build left; None if there was no build.
        skip_after: The index after which cases are skipped; None if there is none.
    """

    tree: BlobRef | None
    compile_output: Output | None = None
    skip_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBuild:
    """A build that a job has: of its program, or of a program that judges it.

    Attributes:
        key: A digest of all that it is made of.
        tree: The files that it left, to which the job refers.
    """

    key: str
    tree: BlobRef
    compile_output: Output | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRange:
    """Cases of a job that one thread of a worker runs, under a lease.

    Attributes:
        id: The fence of every write about them: another claim has another id.
        first: The index of the first one.
        last: The index of the last one.
        done: The ones that have a result already.
    """

    id: UUID
    job_id: JobId
    tenant: TenantName
    first: int
    last: int
    done: frozenset[int] = frozenset()


class CaseRepository(ABC):
    """The cases of jobs, as the transaction sees them. Leases begin and end by the database's own time.

    The cases of a job are one range at first. A claim takes some of them from the front of a range that
    nobody has, or a range whose lease has run out, for as long as the job is RUNNING. A range is gone when
    each of its cases has a result.
    """

    @abstractmethod
    def open(
        self, job_id: JobId, range_id: UUID, total: int, run: CaseRun, builds: Collection[JobBuild] = ()
    ) -> bool:
        """Note that a job's program is built; return False if that is noted already, and nothing changes.

        Args:
            job_id: The job.
            range_id: The id of the range of all cases.
            total: The number of cases.
            run: What is noted.
            builds: The builds by which others of the tenant can be spared; they go with the job.
        """

    @abstractmethod
    def find_build(self, tenant: TenantName, key: str) -> JobBuild | None:
        """Return a build of a key that a job of the tenant has; None if none has."""

    @abstractmethod
    def get(self, job_id: JobId) -> CaseRun | None:
        """Return the cases of a job; None if its program is not built yet."""

    @abstractmethod
    def claim(self, job_id: JobId, range_id: UUID, limit: int, lease_s: float) -> CaseRange | None:
        """Claim at most so many cases of a job, the first unclaimed ones; None if there are none."""

    @abstractmethod
    def offered(self, languages: Collection[str] | None, limit: int) -> Sequence[JobId]:
        """Return RUNNING jobs with cases that may be claimed, the ones with the fewest claims first.

        With `languages`, none in other languages. None of a tenant that is not active, or that runs as many
        executions and claims of cases as its quota of executions allows.
        """

    @abstractmethod
    def remaining(self, job_id: JobId) -> int:
        """Return the number of a job's ranges that are not done."""

    @abstractmethod
    def record(
        self, range_id: UUID, results: Sequence[CaseResult], *, is_done: bool, lease_s: float
    ) -> CaseRun | None:
        """Keep results, renew the lease, and remove the range if it is done.

        Returns the cases as they are now; None if the claim is lost or the job not RUNNING any more, and
        nothing was kept.
        """

    @abstractmethod
    def skip_after(self, job_id: JobId, index: int) -> None:
        """Have the cases after an index skipped, unless they are skipped after a lower one."""

    @abstractmethod
    def renew(self, range_ids: Collection[UUID], lease_s: float) -> set[UUID]:
        """Extend the leases of claims; return the ones that stand, and whose jobs are RUNNING."""

    @abstractmethod
    def release(self, range_ids: Collection[UUID]) -> None:
        """End claims: others may claim their cases."""

    @abstractmethod
    def results(self, job_id: JobId) -> Sequence[CaseResult]:
        """Return the results so far, by their indexes."""
