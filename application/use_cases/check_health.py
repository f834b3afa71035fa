"""Command: check every dependency of the service."""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock, Thread

from application.errors import DependencyUnavailable
from domain.catalogue.text import Text, said_by, text

logger = logging.getLogger("service_server.health")


@dataclass(frozen=True, slots=True)
class DependencyHealth:
    """Whether a dependency of the service responds.

    Attributes:
        is_required: Whether the service can take no work without the dependency.
        detail: Why it does not respond.
        took_ms: How long the check took, in milliseconds.
    """

    name: str
    is_healthy: bool
    is_required: bool
    detail: Text | str | None
    took_ms: float


class CheckHealth:
    """Checks all dependencies of the service in parallel, each with a short timeout.

    The result is cached briefly, so that frequent requests are cheap. The service takes work as long as the
    required dependencies respond; while another is down, work waits or fails with a reason that names it.
    """

    def __init__(
        self,
        checks: Mapping[str, Callable[[], None]],
        required: Collection[str],
        timeout_s: float,
        kept_s: float,
    ) -> None:
        self._checks = checks
        self._required = frozenset(required)
        self._timeout_s = timeout_s
        self._kept_s = kept_s
        self._running: dict[str, Future[DependencyHealth]] = {}
        self._lock = Lock()
        self._kept: Sequence[DependencyHealth] = ()
        self._kept_until = 0.0

    def __call__(self) -> Sequence[DependencyHealth]:
        """Return the health of each dependency."""
        with self._lock:
            if time.monotonic() >= self._kept_until:
                self._kept = self._ask()
                self._kept_until = time.monotonic() + self._kept_s
            return self._kept

    @property
    def last(self) -> Sequence[DependencyHealth]:
        """The last result, however old; empty before the first check."""
        return self._kept

    def _ask(self) -> Sequence[DependencyHealth]:
        deadline = time.monotonic() + self._timeout_s
        for name, check in self._checks.items():
            asked = self._running.get(name)
            if asked is None or asked.done():  # a check that hangs is not started again
                self._running[name] = self._start(name, check)
        return [self._answer(name, deadline) for name in self._checks]

    def _start(self, name: str, check: Callable[[], None]) -> Future[DependencyHealth]:
        asked: Future[DependencyHealth] = Future()

        def answer() -> None:
            asked.set_result(self._check(name, check))

        try:
            # A daemon thread, so that the process can end while a dependency does not answer.
            Thread(target=answer, name=f"health-{name}", daemon=True).start()
        except RuntimeError:  # no thread can be started
            logger.exception("the check of the %s was not started", name)
            asked.set_result(self._health(name, text("problems.check_failed"), 0.0))
        return asked

    def _answer(self, name: str, deadline: float) -> DependencyHealth:
        try:
            return self._running[name].result(max(deadline - time.monotonic(), 0))
        except TimeoutError:
            cause = text("problems.no_answer_within", seconds=f"{self._timeout_s:g}")
            return self._health(name, said_by(DependencyUnavailable(name, cause)), self._timeout_s)

    def _check(self, name: str, check: Callable[[], None]) -> DependencyHealth:
        begin, detail = time.monotonic(), None
        try:
            check()
        except DependencyUnavailable as error:
            detail = said_by(error)
        except Exception:  # such as a lack of threads; it must not hide the health of the other parts
            logger.exception("the check of the %s failed", name)
            detail = text("problems.check_failed")
        return self._health(name, detail, time.monotonic() - begin)

    def _health(self, name: str, detail: Text | str | None, took_s: float) -> DependencyHealth:
        return DependencyHealth(name, detail is None, name in self._required, detail, took_s * 1000)
