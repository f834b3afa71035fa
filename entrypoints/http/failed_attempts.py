"""A limit on the failed attempts of an address to authenticate."""

import math
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from application.errors import QuotaExceeded

WINDOW_S = 60.0
_CAPACITY = 20_000


class FailedAttempts:
    """Counts failed attempts per address, in windows of a minute. For use on the event loop.

    Args:
        allowed: The failures of one address allowed in a window.
        capacity: The number of addresses; a further one replaces the address with the oldest window.
    """

    def __init__(
        self, allowed: int, capacity: int = _CAPACITY, clock: Callable[[], float] = monotonic
    ) -> None:
        self._allowed = allowed
        self._capacity = capacity
        self._clock = clock
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()  # start of the window, failures

    def check(self, address: str) -> None:
        """Refuse a further attempt of an address that has reached the limit.

        Raises:
            QuotaExceeded: The address has reached the limit.
        """
        begin, failures = self._window(address)
        if failures >= self._allowed:
            retry_after_s = math.ceil(begin + WINDOW_S - self._clock())
            raise QuotaExceeded("failed_keys_per_minute", failures, self._allowed, max(retry_after_s, 1))

    def count(self, address: str) -> None:
        """Count a failure of an address."""
        begin, failures = self._window(address)
        if not failures:
            self._windows.pop(address, None)
        self._windows[address] = (begin, failures + 1)
        if len(self._windows) > self._capacity:
            self._windows.popitem(last=False)

    def _window(self, address: str) -> tuple[float, int]:
        now = self._clock()
        begin, failures = self._windows.get(address, (now, 0))
        return (begin, failures) if now - begin < WINDOW_S else (now, 0)
