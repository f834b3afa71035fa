"""The ranges of cases that this process runs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Condition
from uuid import UUID

from domain.values import ExecutionId, JobId


class InFlightCases:
    """The ranges of cases that this process has claimed and not finished. Thread-safe."""

    def __init__(self) -> None:
        self._ranges: dict[UUID, tuple[ExecutionId, JobId]] = {}
        self._changed = Condition()

    @contextmanager
    def track(self, range_id: UUID, execution_id: ExecutionId, job_id: JobId) -> Iterator[None]:
        """Track a range for as long as the context lasts.

        Args:
            range_id: The range.
            execution_id: The execution that the program was built for here.
            job_id: Its job.
        """
        with self._changed:
            self._ranges[range_id] = execution_id, job_id
        try:
            yield
        finally:
            with self._changed:
                del self._ranges[range_id]
                self._changed.notify_all()

    def snapshot(self) -> Mapping[UUID, tuple[ExecutionId, JobId]]:
        """Return a snapshot of the ranges in flight."""
        with self._changed:
            return dict(self._ranges)

    def works_on(self, job_id: JobId) -> bool:
        """Whether cases of a job are running here."""
        with self._changed:
            return any(job == job_id for _, job in self._ranges.values())

    def wait_for_change(self, timeout_s: float) -> None:
        """Wait until a range is finished here, or until the timeout."""
        with self._changed:
            self._changed.wait(timeout_s)

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until nothing is in flight; return False on timeout."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._ranges, timeout_s)
