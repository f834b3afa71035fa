"""Turns of programs: any number side by side, or one alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Turns:
    """Lets programs run side by side, and now and then one by itself. Safe to use from several threads.

    A program that is to run alone holds up the ones that would start, and waits for the ones that run.
    """

    def __init__(self) -> None:
        self._running = 0
        self._is_held = False
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
    def alone(self, timeout_s: float) -> Iterator[bool]:
        """Run without any other; return False if the ones that run do not end within some time."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_held)
            self._is_held = True
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
        self._is_held = False
        self._changed.notify_all()
