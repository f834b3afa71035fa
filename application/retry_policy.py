"""Retries with backoff: the one mechanism for all of them."""

import logging
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Self, TypeVar

from application.errors import DependencyUnavailable
from application.log_context import outage_of

logger = logging.getLogger("service_server.retries")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The delays between the attempts at an action that may fail temporarily.

    The whole service uses this policy: use cases to wait for the database and the object store, and adapters
    to wait for Redis, runners and locks. It is in the application because adapters may import the application
    but not the reverse.

    Attributes:
        delays_s: Seconds before each further attempt.
        is_endless: Whether the last delay is repeated forever.
        jitter: The random part of each delay, from 0 to 1, so that callers do not retry in step.
        sleep: Waits for a number of seconds between attempts.
        on_retry: Called with the error of each attempt that is followed by another.
    """

    delays_s: tuple[float, ...] = ()
    is_endless: bool = False
    jitter: float = 0.0
    sleep: Callable[[float], None] = field(default=time.sleep, compare=False)
    on_retry: Callable[[DependencyUnavailable], None] | None = field(default=None, compare=False)

    @classmethod
    def exponential(
        cls, first_s: float, max_s: float, retries: int | None = None, jitter: float = 0, growth: float = 2
    ) -> Self:
        """Build a policy whose delays grow from the first to the longest; it is endless without `retries`."""
        delays_s = [first_s]
        while delays_s[-1] < max_s if retries is None else len(delays_s) < retries:
            delays_s.append(min(growth * delays_s[-1], max_s))
        return cls(tuple(delays_s[:retries]), is_endless=retries is None, jitter=jitter)

    def delays(self) -> Iterator[float]:
        """Yield the seconds to wait before each further attempt."""
        endless = repeat(self.delays_s[-1]) if self.is_endless else ()
        return map(self._jittered, chain(self.delays_s, endless))

    def delay_after(self, attempts: int) -> float:
        """Return the seconds to wait after a number of attempts (at least one), for an endless policy."""
        return self._jittered(self.delays_s[min(attempts, len(self.delays_s)) - 1])

    def _jittered(self, delay_s: float) -> float:
        return delay_s * random.uniform(1 - self.jitter, 1)  # noqa: S311 - jitter keeps no secret

    def __call__(self, action: Callable[[], T]) -> T:
        """Return the result of the first attempt that does not raise DependencyUnavailable.

        Raises:
            DependencyUnavailable: The last attempt failed too.
        """
        for delay_s in self.delays():
            try:
                return action()
            except DependencyUnavailable as error:
                logger.warning("%s; retrying in %.1f s", error, delay_s, extra=outage_of(error))
                if self.on_retry is not None:
                    self.on_retry(error)
                self.sleep(delay_s)
        return action()
