"""Pools of prewarmed sandboxes: one mechanism for interpreters and compilers."""

import logging
import math
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from threading import Condition
from typing import Generic, TypeVar

from adapters.common.background import BackgroundThread
from adapters.local_engine.sandbox.launcher import Connection
from adapters.local_engine.sandbox.program import Program
from application.ports.execution_engine import WarmStarts
from domain.catalogue.text import Text, text

_RETRY_AFTER_S = 5
# On a busy machine, no sandbox is started for this long after a job has begun: most jobs end sooner.
_LULL_S = 0.02
# On any other machine, a replacement starts after this delay, to stay out of the way of the job that took its
# predecessor: most jobs end sooner.
_HEAD_START_S = 0.01
_IDLE_MARGIN_S = 0.01

_log = logging.getLogger("service_server.local_engine")


class Prewarmed:
    """A sandbox that waits for a job, and serves at most one.

    Args:
        connection: The connection to its run.
        resources: The resources that `close` releases.
    """

    def __init__(self, connection: Connection, resources: ExitStack) -> None:
        self.connection = connection
        self._resources = resources.pop_all()

    def is_waiting(self) -> bool:
        """Whether the sandbox still waits: no event has arrived since it became ready."""
        return self.connection.is_quiet()

    def close(self) -> None:
        """Kill the remaining processes in the sandbox."""
        self._resources.close()


P = TypeVar("P", bound=Prewarmed)


class PrewarmRecipe(ABC, Generic[P]):
    """Makes prewarmed sandboxes of one kind.

    Attributes:
        title: The name of the kind in the log.
        idle_s: Seconds for which sandboxes are kept ready after the last job of their kind. If this is
            finite, none are made before the first job.
    """

    title: str
    idle_s: float = math.inf

    @abstractmethod
    def prepare(self) -> P | None:
        """Start a sandbox and wait until it is ready; return None if it cannot be started yet.

        Raises:
            OSError: The sandbox did not become ready.
        """

    @abstractmethod
    def serves(self, program: Program) -> bool:
        """Whether a program runs in a prewarmed sandbox in the same way as in a fresh one."""


class WarmPool(Generic[P]):
    """Keeps a number of prewarmed sandboxes ready, and replaces each one that is taken.

    Args:
        recipe: Makes the sandboxes.
        size: The number of sandboxes to keep ready.
        is_busy: Returns whether starting a sandbox would take a processor from programs.
    """

    def __init__(self, recipe: PrewarmRecipe[P], size: int, is_busy: Callable[[], bool]) -> None:
        self._recipe = recipe
        self._size = size
        self._is_busy = is_busy
        self._changed = Condition()
        self._ready: deque[P] = deque()
        self._last_job = self._last_taken = 0.0
        self._last_wanted = -math.inf
        self._trouble: Text | None = None
        self._hits = self._misses = 0
        self._thread = BackgroundThread("warm-pool", self._fill, self._wake)
        self._thread.start()

    @property
    def trouble(self) -> Text | None:
        """Why the last attempt to start a sandbox failed; None if it succeeded."""
        return self._trouble

    @property
    def starts(self) -> WarmStarts:
        """The statistics of the pool."""
        with self._changed:
            return WarmStarts(self._hits, self._misses, len(self._ready))

    @property
    def is_idle(self) -> bool:
        """Whether the last job of this kind was so long ago that no sandboxes are kept ready."""
        return time.monotonic() - self._last_wanted > self._recipe.idle_s

    def get(self, program: Program) -> P | None:
        """Take a sandbox for a program; None if no sandbox serves it. The caller closes the sandbox."""
        self._last_job = time.monotonic()
        if not self._recipe.serves(program):
            return None
        while (taken := self._take()) is not None:
            if taken.is_waiting():
                self._last_taken = time.monotonic()
                with self._changed:
                    self._hits += 1
                return taken
            taken.close()
        with self._changed:
            self._misses += 1
        return None

    def wait_until_full(self, timeout_s: float) -> bool:
        """Wait until all sandboxes are ready; return whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._ready) >= self._size, timeout_s)

    def close(self) -> None:
        """Stop the pool and close its sandboxes."""
        self._thread.stop()
        while (waiting := self._take()) is not None:
            waiting.close()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _take(self) -> P | None:
        with self._changed:
            self._last_wanted = time.monotonic()
            taken = self._ready.popleft() if self._ready else None
            self._changed.notify_all()
            return taken

    def _fill(self) -> None:
        """Wait until a sandbox is missing and may be started, and start it."""
        if not self._wait_for_room():
            return
        begun = time.monotonic()
        try:
            prepared = self._recipe.prepare()
        except OSError as error:
            self._pause(text("engine.warm_not_ready", error=str(error.strerror or error)))
            return
        except Exception as error:  # noqa: BLE001 - no other thread fills the pool
            _log.exception("%s could not be prewarmed", self._recipe.title)
            self._pause(text("engine.warm_not_started", error=type(error).__name__))
            return
        self._report(None)
        with self._changed:
            if prepared is None:
                self._changed.wait_for(
                    lambda: self._thread.is_stopping or self._last_wanted > begun, _RETRY_AFTER_S
                )
            else:
                self._ready.append(prepared)
                self._changed.notify_all()

    def _wait_for_room(self) -> bool:
        """Wait until a sandbox is missing and may be started; return False if the pool was stopped."""
        with self._changed:
            while not self._thread.is_stopping and (pause_s := self._pause_s()) != 0:
                while self._ready and self.is_idle:
                    self._ready.popleft().close()
                self._changed.wait(pause_s)
            return not self._thread.is_stopping

    def _pause_s(self) -> float | None:
        """Return the seconds until the next check; 0 to start a sandbox now, None to wait for a change."""
        now = time.monotonic()
        if self.is_idle:
            return None
        if len(self._ready) >= self._size:
            is_kept = self._recipe.idle_s == math.inf
            return None if is_kept else self._last_wanted + self._recipe.idle_s - now + _IDLE_MARGIN_S
        due = self._last_job + _LULL_S if self._is_busy() else self._last_taken + _HEAD_START_S
        return max(0.0, due - now)

    def _pause(self, trouble: Text) -> None:
        self._report(trouble)
        self._thread.pause(_RETRY_AFTER_S)

    def _report(self, trouble: Text | None) -> None:
        if trouble != self._trouble:
            _log.warning("%s starts %s", self._recipe.title, f"cold: {trouble}" if trouble else "warm again")
        self._trouble = trouble
