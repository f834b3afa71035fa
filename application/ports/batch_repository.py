"""The port to stored batches."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from application.errors import NotFound
from application.views import BatchCursor
from domain.batch import Batch
from domain.caller import Caller
from domain.job_lifecycle import JobStatus, Phase
from domain.values import BatchId, JobId


class BatchRepository(ABC):
    """The batches, as the transaction sees them.

    A caller reaches its tenant's; one that reaches one project alone, those of which all jobs are in it. The
    jobs of a batch know it, and their rows are counted: a batch has no counter of its own. A batch goes with
    the last of its jobs that is deleted.
    """

    @abstractmethod
    def add(self, batch: Batch) -> None:
        """Store a new batch; one that is stored already stays as it is, for a transaction may run again."""

    @abstractmethod
    def get(self, caller: Caller, batch_id: BatchId) -> Batch | None:
        """Return a batch, or None if the caller reaches none of that id."""

    def get_or_raise(self, caller: Caller, batch_id: BatchId) -> Batch:
        """Return a batch.

        Raises:
            NotFound: The caller reaches no such batch.
        """
        found = self.get(caller, batch_id)
        if found is None:
            raise NotFound("batch", batch_id)
        return found

    @abstractmethod
    def get_of_any_tenant(self, batch_id: BatchId) -> Batch | None:
        """Return a batch, or None if there is none of that id."""

    @abstractmethod
    def page(self, caller: Caller, limit: int, cursor: BatchCursor | None) -> Sequence[Batch]:
        """Return the batches that the caller reaches, newest first."""

    @abstractmethod
    def jobs(self, batch_ids: Collection[BatchId]) -> Mapping[BatchId, Mapping[JobId, JobStatus]]:
        """Return the jobs that there are of some batches, in the order of their submission.

        Batches without jobs, and the jobs of purged projects, are left out.
        """

    @abstractmethod
    def counts(self, batch_ids: Collection[BatchId]) -> Mapping[BatchId, Mapping[JobStatus, int]]:
        """Return the numbers of jobs by their status that there are of some batches, as `jobs` does."""

    @abstractmethod
    def begun(self, batch_ids: Collection[BatchId]) -> Mapping[BatchId, Mapping[Phase, int]]:
        """Return the numbers of jobs of some batches that are built or run now, by their phase."""

    @abstractmethod
    def mark_cancelled(self, batch_id: BatchId, now: datetime) -> None:
        """Record that the cancellation of a batch was asked for; the first time stays."""

    @abstractmethod
    def unfinished(self, batch_id: BatchId, limit: int) -> Sequence[JobId]:
        """Return jobs of a batch that have not ended."""

    @abstractmethod
    def complete(self, batch_id: BatchId, now: datetime) -> bool:
        """Record that all jobs of a batch have ended.

        Return whether this is so and was not recorded before: one of any number of transactions gets True.
        """

    @abstractmethod
    def overdue(self, limit: int) -> Sequence[BatchId]:
        """Return batches that can be completed: none of their jobs goes on, and that is not recorded."""

    @abstractmethod
    def being_cancelled(self, limit: int) -> Sequence[Batch]:
        """Return batches whose cancellation was asked for, and that have not been completed."""
