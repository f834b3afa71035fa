"""The port to stored batches."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from application.errors import NotFound
from application.lists import Cursor
from domain.batch import Batch
from domain.caller import Caller
from domain.job_lifecycle import JobStatus, Phase
from domain.values import BatchId, JobId


class BatchRepository(ABC):
    """The batches, as the transaction sees them.

    A caller can access its tenant's batches; if it is restricted to one project, only the batches with all
    jobs in that project. Jobs refer to their batch and are counted by rows; a batch has no counter. A batch
    is removed with the last of its jobs.
    """

    @abstractmethod
    def add(self, batch: Batch) -> None:
        """Store a new batch; do nothing if it is already stored, because a transaction may run again."""

    @abstractmethod
    def get(self, caller: Caller, batch_id: BatchId) -> Batch | None:
        """Return a batch, or None if the caller can access none with that id."""

    def get_or_raise(self, caller: Caller, batch_id: BatchId) -> Batch:
        """Return a batch.

        Raises:
            NotFound: There is no such batch, or the caller cannot access it.
        """
        found = self.get(caller, batch_id)
        if found is None:
            raise NotFound("batch", batch_id)
        return found

    @abstractmethod
    def get_of_any_tenant(self, batch_id: BatchId) -> Batch | None:
        """Return a batch, or None if there is none with that id."""

    @abstractmethod
    def page(self, caller: Caller, limit: int, cursor: Cursor | None) -> Sequence[Batch]:
        """Return the batches that the caller can access, newest first."""

    @abstractmethod
    def jobs(self, batch_ids: Collection[BatchId]) -> Mapping[BatchId, Mapping[JobId, JobStatus]]:
        """Return the existing jobs of batches, in the order of submission.

        Batches without jobs, and jobs of purged projects, are omitted.
        """

    @abstractmethod
    def counts(self, batch_ids: Collection[BatchId]) -> Mapping[BatchId, Mapping[JobStatus, int]]:
        """Return the number of existing jobs of batches by status, for the same jobs as `jobs`."""

    @abstractmethod
    def begun(self, batch_ids: Collection[BatchId]) -> Mapping[BatchId, Mapping[Phase, int]]:
        """Return the number of jobs of batches that are building or running now, by phase."""

    @abstractmethod
    def mark_cancelled(self, batch_id: BatchId, now: datetime) -> None:
        """Record that the cancellation of a batch was requested; an earlier request time is kept."""

    @abstractmethod
    def unfinished(self, batch_id: BatchId, limit: int) -> Sequence[JobId]:
        """Return jobs of a batch that have not ended."""

    @abstractmethod
    def complete(self, batch_id: BatchId, now: datetime) -> bool:
        """Record that all jobs of a batch have ended.

        Returns True if all have ended and this was not recorded before; only one of several concurrent
        transactions gets True.
        """

    @abstractmethod
    def overdue(self, limit: int) -> Sequence[BatchId]:
        """Return batches whose jobs have all ended but which are not recorded as completed."""

    @abstractmethod
    def being_cancelled(self, limit: int) -> Sequence[Batch]:
        """Return batches whose cancellation was requested and which are not completed."""
