"""A cache that concurrent threads share."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

_T = TypeVar("_T")


class SingleFlightCache(Generic[_T]):
    """A cache that requests each answer only once, regardless of the number of threads that wait for it.

    A failure is raised in all waiting callers, and is not cached.

    Args:
        lifetime_s: Seconds for which an answer is cached, from the time of the request.
        max_entries: The maximum number of cached answers; the oldest are dropped first.
    """

    def __init__(self, lifetime_s: float, max_entries: int) -> None:
        self._lifetime_s = lifetime_s
        self._max_entries = max_entries
        self._entries: OrderedDict[Hashable, tuple[float, Future[_T]]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, question: Hashable, ask: Callable[[], _T]) -> _T:
        """Return the cached answer to a question, or call `ask` for it."""
        answer, is_mine = self._entry(question)
        if is_mine:
            self._fill(question, answer, ask)
        return answer.result()

    def find(self, question: Hashable) -> _T | None:
        """Return the cached answer to a question, or None without waiting if there is none."""
        with self._lock:
            until, answer = self._entries.get(question, (0.0, None))
        if answer is None or not answer.done() or time.monotonic() >= until:
            return None
        return answer.result()

    def _entry(self, question: Hashable) -> tuple[Future[_T], bool]:
        now = time.monotonic()
        with self._lock:
            until, answer = self._entries.get(question, (now, None))
            if answer is not None and (now < until or not answer.done()):
                return answer, False
            answer = Future()
            self._entries[question] = (now + self._lifetime_s, answer)
            self._entries.move_to_end(question)
            if len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
            return answer, True

    def _fill(self, question: Hashable, answer: Future[_T], ask: Callable[[], _T]) -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # noqa: BLE001  (raised in every waiting caller, including this one)
            with self._lock:
                if self._entries.get(question, (0, None))[1] is answer:
                    del self._entries[question]
            answer.set_exception(error)
