"""Scheduling of programs: any number side by side, or one alone."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

# A program that may take longer does not run alone, because no other program can start meanwhile.
LONGEST_ALONE_S = 10.0
# The share of the time for which programs run alone, at most.
ALONE_SHARE = 0.25


class Turns:
    """A shared-exclusive lock: programs run side by side, and at times one alone. Thread-safe.

    A program that runs alone delays the start of others and waits for the running ones to end. Afterwards, no
    program runs alone for three times as long as the others were delayed (see ALONE_SHARE).

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
        """Run beside other programs, once no program runs alone."""
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
        """Run alone while the context lasts; yield False if that is not possible now.

        Args:
            timeout_s: Seconds to wait for the running programs to end.
            most_s: Seconds that the program takes, at most.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._is_held)
            is_alone = most_s <= LONGEST_ALONE_S and self._clock() >= self._may_hold_from
            if is_alone:
                self._is_held, self._held_at = True, self._clock()
                is_alone = self._changed.wait_for(lambda: self._running == 0, timeout_s)
                if not is_alone:
                    self._release()
        try:
            yield is_alone
        finally:
            if is_alone:
                with self._changed:
                    self._release()

    def _release(self) -> None:
        now = self._clock()
        self._is_held, self._may_hold_from = False, now + (now - self._held_at) * (1 / ALONE_SHARE - 1)
        self._changed.notify_all()
