from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Caller(Generic[T]):
    is_served: bool = False
    result: T | None = None


class Together(Generic[T]):
    """Does for several callers at once what each of them asks for.

    A caller who comes alone is served at once. Those who come meanwhile wait, and the first of them then has
    all of them served in one go: the more there is to do, the less of it is done singly.

    Args:
        act: Takes how many want a result, and returns so many at most.
    """

    def __init__(self, act: Callable[[int], Sequence[T]]) -> None:
        self._act = act
        self._waiting: deque[_Caller[T]] = deque()
        self._turn = Lock()

    def __call__(self) -> T | None:
        """Return a result, or None if there were too few.

        Raises what `act` raises for this caller; others have their own try.
        """
        caller: _Caller[T] = _Caller()
        self._waiting.append(caller)
        with self._turn:
            if not caller.is_served:
                self._serve(caller)
        return caller.result

    def _serve(self, caller: _Caller[T]) -> None:
        served = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            results = self._act(len(served))
        except BaseException:
            self._waiting.extendleft(other for other in reversed(served) if other is not caller)
            raise
        for one, result in zip_longest(served, results):
            one.is_served, one.result = True, result
