import logging
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from application.errors import DependencyUnavailable
from application.log_context import outage_of

logger = logging.getLogger("service_server.retrying")
T = TypeVar("T")


class Retrying:
    """Does again what failed because a dependency was out of reach, after each of some delays in seconds."""

    def __init__(self, delays_s: Iterable[float], sleep: Callable[[float], None] = time.sleep) -> None:
        self._delays_s = tuple(delays_s)
        self._sleep = sleep

    def __call__(self, action: Callable[[], T]) -> T:
        """Return what the action returns.

        Raises:
            DependencyUnavailable: The last try failed too.
        """
        for delay_s in self._delays_s:
            try:
                return action()
            except DependencyUnavailable as error:
                logger.warning("%s; trying again in %.1f s", error, delay_s, extra=outage_of(error))
                self._sleep(delay_s)
        return action()
