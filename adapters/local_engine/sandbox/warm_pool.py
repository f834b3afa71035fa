"""Interpreters of one language that are ready before their jobs are."""

import logging
import time
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread

from adapters.local_engine.sandbox.prewarmed_sandbox import PrewarmedSandbox
from adapters.local_engine.sandbox.program import Program

_AGAIN_AFTER_S = 5
# On a busy machine, a job that has begun is alone for so long: most are short.
_LULL_S = 0.02
# On any other, starting one gets in the way of the job that took its predecessor, most of which are shorter.
_HEAD_START_S = 0.01

_log = logging.getLogger("service_server.local_engine")


class WarmPool:
    """Keeps a number of interpreters of one language parked, and replaces those that are taken.

    Args:
        title: What the language is called.
        usual: What most programs of the language have in common.
        park: Starts one that serves programs of that kind.
        number: How many are to be ready.
        is_busy: Says whether starting one would take a processor from programs.
    """

    def __init__(
        self,
        title: str,
        usual: Program,
        park: Callable[[], PrewarmedSandbox],
        number: int,
        is_busy: Callable[[], bool],
    ) -> None:
        self._title = title
        self._usual = usual
        self._park = park
        self._number = number
        self._is_busy = is_busy
        self._changed = Condition()
        self._boxes: deque[PrewarmedSandbox] = deque()
        self._last_job = 0.0
        self._last_taken = 0.0
        self._trouble: str | None = None
        self._is_open = True
        self._keeper = Thread(target=self._keep, name="warm-starts", daemon=True)
        self._keeper.start()

    @property
    def trouble(self) -> str | None:
        """Why there is none, if the last attempt to start one failed."""
        return self._trouble

    def take(self, program: Program) -> PrewarmedSandbox | None:
        """Take a box for a program; None if there is none that would serve it as a fresh one would.

        An interpreter reads its environment when it starts, and a file system keeps its size.
        """
        self._last_job = time.monotonic()
        if _fixed_at_start(program) != _fixed_at_start(self._usual):
            return None
        while (box := self._next()) is not None:
            if box.is_waiting():
                self._last_taken = time.monotonic()
                return box
            box.close()
        return None

    def wait_until_full(self, timeout_s: float) -> bool:
        """Wait until all are ready; return whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._boxes) >= self._number, timeout_s)

    def close(self) -> None:
        """End those that wait."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
        self._keeper.join()
        while (box := self._next()) is not None:
            box.close()

    def _next(self) -> PrewarmedSandbox | None:
        with self._changed:
            box = self._boxes.popleft() if self._boxes else None
            self._changed.notify_all()
            return box

    def _keep(self) -> None:
        while self._wait_for_room():
            try:
                box = self._park()
            except OSError as error:
                self._pause(f"the interpreter does not become ready: {error.strerror or error}")
                continue
            except Exception as error:  # noqa: BLE001 - nobody else would start interpreters again
                _log.exception("an interpreter of %s could not be started", self._title)
                self._pause(f"the interpreter cannot be started: {type(error).__name__}")
                continue
            self._report(None)
            with self._changed:
                self._boxes.append(box)
                self._changed.notify_all()

    def _wait_for_room(self) -> bool:
        """Wait until one is missing and may be started; return False if none is wanted any more."""
        with self._changed:
            while self._is_open and (pause_s := self._pause_s()) != 0:
                self._changed.wait(pause_s)
            return self._is_open

    def _pause_s(self) -> float | None:
        """Return when to look again; None if there is no room for one, 0 if one may be started."""
        if len(self._boxes) >= self._number:
            return None
        due = self._last_job + _LULL_S if self._is_busy() else self._last_taken + _HEAD_START_S
        return max(0.0, due - time.monotonic())

    def _pause(self, trouble: str) -> None:
        self._report(trouble)
        with self._changed:
            self._changed.wait_for(lambda: not self._is_open, _AGAIN_AFTER_S)

    def _report(self, trouble: str | None) -> None:
        if trouble != self._trouble:
            _log.warning("%s starts %s", self._title, f"cold: {trouble}" if trouble else "warm again")
        self._trouble = trouble


def _fixed_at_start(program: Program) -> tuple[object, ...]:
    limits = program.limits
    return (program.build, program.run, program.variables, limits.disk_mb, limits.files)
