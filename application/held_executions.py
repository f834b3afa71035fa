from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Condition

from domain.values import ExecutionId, JobId


class HeldExecutions:
    """The executions that this process has claimed and not finished. Safe to use from several threads."""

    def __init__(self) -> None:
        self._jobs: dict[ExecutionId, JobId] = {}
        self._changed = Condition()
        self._is_releasing = False

    @contextmanager
    def hold(self, execution_id: ExecutionId, job_id: JobId) -> Iterator[None]:
        """Count an execution among the held ones for as long as the context lasts."""
        with self._changed:
            self._jobs[execution_id] = job_id
        try:
            yield
        finally:
            with self._changed:
                del self._jobs[execution_id]
                self._changed.notify_all()

    def snapshot(self) -> Mapping[ExecutionId, JobId]:
        """Return the held executions and their jobs, as they are at this moment."""
        with self._changed:
            return dict(self._jobs)

    def holds(self, execution_id: ExecutionId) -> bool:
        """Whether this process holds the execution."""
        with self._changed:
            return execution_id in self._jobs

    @property
    def is_releasing(self) -> bool:
        """Whether executions are to be given back rather than completed."""
        return self._is_releasing

    def start_releasing(self) -> None:
        """From now on, give executions back rather than complete them as cancelled."""
        self._is_releasing = True

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until nothing is held; return False if that takes longer than the timeout."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._jobs, timeout_s)
