from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from threading import Event, Lock
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Caller(Generic[T]):
    woken: Event = field(default_factory=Event)
    is_served: bool = False
    result: T | None = None


class Together(Generic[T]):
    """Does for several callers at once what each of them asks for.

    A caller who comes alone is served at once. Those who come meanwhile wait, and the first of them then has
    all of them served in one go: the more there is to do, the less of it is done singly.

    Args:
        act: Takes how many want a result, and returns so many at most. It is never called twice at once.
    """

    def __init__(self, act: Callable[[int], Sequence[T]]) -> None:
        self._act = act
        self._waiting: list[_Caller[T]] = []
        self._is_busy = False
        self._lock = Lock()

    def __call__(self) -> T | None:
        """Return a result, or None if there were too few.

        Raises what `act` raises for this caller; others have their own try.
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
            results = self._act(len(served))
            if len(results) > len(served):
                raise ValueError("more results than were wanted")
            for one, result in zip_longest(served, results):
                one.is_served, one.result = True, result
        finally:
            self._pass_on([one for one in served if one is not caller])

    def _pass_on(self, others: Sequence[_Caller[T]]) -> None:
        """Let those go on who were served, and the first of the others serve them."""
        with self._lock:
            self._waiting = [one for one in others if not one.is_served] + self._waiting
            self._is_busy = bool(self._waiting)
            awake = [one for one in others if one.is_served] + self._waiting[:1]
        for one in awake:
            one.woken.set()
