"""Rate limits in the memory of this process."""

from collections.abc import Callable, Sequence
from math import floor
from threading import Lock
from time import monotonic

from application.ports.rate_limiter import RateDecision, RateLimit, RateLimiter

_WINDOW_S = 1.0
# Tolerance for rounding: larger than the error of summed intervals, smaller than the shortest interval
# between two tokens.
_ROUNDING_S = 1e-7
_SWEPT_FROM = 1_024


class InProcessRateLimiter(RateLimiter):
    """Token buckets, each stored as the time at which it is full again (GCRA).

    Full buckets are dropped, so only buckets in use take memory.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._full_at: dict[str, float] = {}
        self._sweep_at = _SWEPT_FROM

    @property
    def kept(self) -> int:
        """The number of stored buckets."""
        return len(self._full_at)

    def try_take(self, limits: Sequence[RateLimit]) -> RateDecision:
        """Take a token from each bucket, or from none. Never blocks."""
        return self.take(limits)

    def take(self, limits: Sequence[RateLimit]) -> RateDecision:
        """Take a token from each bucket, or from none if one is empty."""
        with self._lock:
            now = self._clock()
            full_at = [max(self._full_at.get(limit.subject, now), now) for limit in limits]
            left = [
                floor((now + _WINDOW_S - at + _ROUNDING_S) * limit.per_s)
                for limit, at in zip(limits, full_at, strict=True)
            ]
            if min(left, default=1) < 1:
                return RateDecision(is_allowed=False, left=left)
            for limit, at in zip(limits, full_at, strict=True):
                self._full_at[limit.subject] = at + 1 / limit.per_s
            if len(self._full_at) > self._sweep_at:
                self._sweep(now)
            return RateDecision(is_allowed=True, left=[tokens - 1 for tokens in left])

    def _sweep(self, now: float) -> None:
        self._full_at = {subject: at for subject, at in self._full_at.items() if at > now}
        self._sweep_at = max(_SWEPT_FROM, 2 * len(self._full_at))
