"""The executions that this process has claimed and not finished."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from threading import Condition

from domain.values import ExecutionId, JobId


class InFlightExecutions:
    """The executions that this process has claimed and not finished. Thread-safe."""

    def __init__(self) -> None:
        self._jobs: dict[ExecutionId, JobId] = {}
        self._to_requeue: frozenset[ExecutionId] = frozenset()
        self._changed = Condition()

    @contextmanager
    def track(self, execution_id: ExecutionId, job_id: JobId) -> Iterator[None]:
        """Track an execution for as long as the context lasts."""
        with self._changed:
            self._jobs[execution_id] = job_id
        try:
            yield
        finally:
            with self._changed:
                del self._jobs[execution_id]
                self._changed.notify_all()

    def snapshot(self) -> Mapping[ExecutionId, JobId]:
        """Return a snapshot of the executions in flight and their jobs."""
        with self._changed:
            return dict(self._jobs)

    def tracks(self, execution_id: ExecutionId) -> bool:
        """Whether the execution is in flight here."""
        with self._changed:
            return execution_id in self._jobs

    def mark_for_requeue(self, execution_ids: Collection[ExecutionId]) -> None:
        """Mark executions to be requeued once they are stopped, rather than completed as cancelled."""
        self._to_requeue = frozenset(execution_ids)

    def is_marked_for_requeue(self, execution_id: ExecutionId) -> bool:
        """Whether the execution is marked to be requeued."""
        return execution_id in self._to_requeue

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until nothing is in flight; return False on timeout."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._jobs, timeout_s)

    def wait_while_they_end(self, pause_s: float) -> bool:
        """Wait until nothing is in flight; return False if no execution ends within the pause."""
        with self._changed:
            while self._jobs:
                before = len(self._jobs)
                if not self._changed.wait_for(partial(self._are_fewer_than, before), pause_s):
                    return False
            return True

    def _are_fewer_than(self, number: int) -> bool:
        return len(self._jobs) < number
