"""Claims of executions, and their coalescing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from threading import Event, Lock
from typing import Generic, TypeVar

from domain.execution import Execution
from domain.job import Job

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Claim:
    """An execution claimed by this worker, and its job.

    Attributes:
        execution: The execution as claimed, with its start if a claim implies it.
        asked: The time before the claim, by this machine's monotonic clock; the lease began at or after it.
    """

    job: Job
    execution: Execution
    asked: float


@dataclass(slots=True, eq=False)
class _Caller(Generic[T]):
    woken: Event = field(default_factory=Event)
    is_served: bool = False
    result: T | None = None


class ClaimBatcher(Generic[T]):
    """Coalesces claims that several threads request at the same time into one.

    A thread that comes alone is served at once. Threads that come during a claim wait, and the first of them
    then claims for all of them, so that a busy process makes fewer, larger claims.

    Args:
        claim: Takes the number of requested claims, and returns at most that many. It is never called
            concurrently.
    """

    def __init__(self, claim: Callable[[int], Sequence[T]]) -> None:
        self._claim = claim
        self._waiting: list[_Caller[T]] = []
        self._is_busy = False
        self._lock = Lock()

    @property
    def waiting(self) -> int:
        """The number of threads that wait for the claim in progress."""
        return len(self._waiting)

    def next(self) -> T | None:
        """Return a claim, or None if there were too few.

        Raises the error of `claim` in this thread only; the other threads try again themselves.
        """
        caller: _Caller[T] = _Caller()
        with self._lock:
            self._waiting.append(caller)
            must_wait, self._is_busy = self._is_busy, True
        if must_wait:
            caller.woken.wait()
        if not caller.is_served:
            self._serve(caller)
        return caller.result

    def _serve(self, caller: _Caller[T]) -> None:
        with self._lock:
            served, self._waiting = self._waiting, []
        try:
            results = self._claim(len(served))
            if len(results) > len(served):
                raise ValueError("more claims than were wanted")
            for one, result in zip_longest(served, results):
                one.is_served, one.result = True, result
        finally:
            self._pass_on([one for one in served if one is not caller])

    def _pass_on(self, others: Sequence[_Caller[T]]) -> None:
        """Wake the threads that were served, and one of the others, which then claims for the rest."""
        with self._lock:
            self._waiting = [one for one in others if not one.is_served] + self._waiting
            self._is_busy = bool(self._waiting)
            awake = [one for one in others if one.is_served] + self._waiting[:1]
        for one in awake:
            one.woken.set()
