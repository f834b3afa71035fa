"""Turns of programs: any number side by side, or one alone."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

# One that may run for longer than this is not to run alone: nothing else could start meanwhile.
LONGEST_ALONE_S = 10.0
# The part of the time that programs have for themselves, at most: the others have the rest.
ALONE_SHARE = 0.25


class Turns:
    """Lets programs run side by side, and now and then one by itself. Safe to use from several threads.

    A program that is to run alone holds up the ones that would start, and waits for the ones that run.
    Others are held up for a part of the time only: the longer they were, the later they are again.

    Args:
        clock: Returns the seconds of a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._running = 0
        self._is_held = False
        self._held_at = self._may_hold_from = 0.0
        self._clock = clock
        self._changed = Condition()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Run beside others, once none is alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_held)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, timeout_s: float, most_s: float) -> Iterator[bool]:
        """Run without any other; return False if that cannot be now.

        Args:
            timeout_s: Seconds within which the ones that run have to end.
            most_s: Seconds that the program takes at most.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._is_held)
            is_alone = most_s <= LONGEST_ALONE_S and self._clock() >= self._may_hold_from
            if is_alone:
                self._is_held, self._held_at = True, self._clock()
                is_alone = self._changed.wait_for(lambda: self._running == 0, timeout_s)
                if not is_alone:
                    self._let_go()
        try:
            yield is_alone
        finally:
            if is_alone:
                with self._changed:
                    self._let_go()

    def _let_go(self) -> None:
        now = self._clock()
        self._is_held, self._may_hold_from = False, now + (now - self._held_at) * (1 / ALONE_SHARE - 1)
        self._changed.notify_all()
