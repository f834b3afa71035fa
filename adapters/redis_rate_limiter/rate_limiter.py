"""Rate limits in Redis, shared by all processes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Any

from adapters.common.circuit_breaker import CircuitBreaker
from adapters.common.redis_client import connect, redis_errors
from application.errors import DependencyUnavailable
from application.log_context import outage_of
from application.ports.rate_limiter import RateDecision, RateLimit, RateLimiter

logger = logging.getLogger("service_server.rates")

KEY_PREFIX = "service_server.rate:"
_DEPENDENCY = "rate limiter"
# Each bucket is stored as the time at which it is full again (GCRA), in microseconds of the server's clock,
# so that the clocks of the service's hosts do not matter. A key expires when its bucket is full. The half
# microsecond is larger than the rounding error of sums, and smaller than the shortest interval between two
# tokens. A bucket takes at most a second to fill: a later time was stored before the server's clock was set
# back.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local stored = redis.call('MGET', unpack(KEYS))
local full_at, left, granted = {}, {}, tonumber(ARGV[#ARGV])
for i = 1, #KEYS do
  full_at[i] = math.max(tonumber(stored[i] or now), now)
  if full_at[i] > now + 1000001 then full_at[i] = now end
  left[i] = math.floor((now + 1000000.5 - full_at[i]) * ARGV[i] / 1000000)
  granted = math.min(granted, left[i])
end
if granted > 0 then
  for i = 1, #KEYS do
    local full_again = full_at[i] + granted * 1000000 / ARGV[i]
    redis.call('SET', KEYS[i], string.format('%.3f', full_again), 'PX', math.ceil((full_again - now) / 1000))
    left[i] = left[i] - granted
  end
end
return {granted, unpack(left)}
"""
# The validity of one answer. A process takes as many tokens at once as it has recently used in this time, and
# at most a tenth of a bucket. A busy caller thus costs about twenty calls a second, regardless of its number
# of requests.
_LEASE_S = 0.05
_LARGEST_SHARE = 10
_SWEPT_FROM = 1_024


@dataclass(slots=True, kw_only=True)
class _Lease:
    """Tokens that a process has taken from some buckets in advance, or a short refusal.

    Attributes:
        began_at: When the lease was granted, by the monotonic clock.
        until: When it expires.
        tokens: The number of unused tokens.
        left: The tokens that were left in each bucket.
        is_refusal: Whether a bucket was empty.
        asked: The number of requests since it was granted.
    """

    began_at: float
    until: float
    tokens: int
    left: Sequence[int]
    is_refusal: bool
    asked: int = 0


class RedisRateLimiter(RateLimiter):
    """Token buckets in Redis. One round trip takes tokens from all buckets of a request, or from none.

    A process takes the tokens that it expects to use in advance, so that most requests need no round trip.
    Tokens not used in time are lost, so that the limit is never exceeded.

    While Redis is unavailable, each process limits its own requests.

    Args:
        url: The address of Redis, with credentials if required.
        local: The limiter to use while Redis is unavailable.
    """

    def __init__(self, url: str, local: RateLimiter) -> None:
        # Any, because redis-py types replies as a union over all protocols and options.
        self._take: Any = connect(url).register_script(_TAKE)
        self._local = local
        self._circuit = CircuitBreaker(_DEPENDENCY)
        self._leases: dict[tuple[RateLimit, ...], _Lease] = {}
        self._sweep_at = _SWEPT_FROM
        self._lock = Lock()

    def try_take(self, limits: Sequence[RateLimit]) -> RateDecision | None:
        """Use a token of the current lease on the buckets; return None if there is no valid lease."""
        with self._lock:
            lease = self._leases.get(tuple(limits))
            if lease is None:
                return None
            lease.asked += 1
            if lease.until <= monotonic() or not (lease.tokens or lease.is_refusal):
                return None
            lease.tokens -= not lease.is_refusal
            left = [tokens + lease.tokens for tokens in lease.left]
            return RateDecision(is_allowed=not lease.is_refusal, left=left)

    def take(self, limits: Sequence[RateLimit]) -> RateDecision:
        """Take a token from each bucket, or from none if one is empty."""
        return self.try_take(limits) or self._ask(limits)

    def _ask(self, limits: Sequence[RateLimit]) -> RateDecision:
        was_closed = self._circuit.is_closed
        try:
            with self._circuit.call(), redis_errors(_DEPENDENCY):
                granted, *left = self._take(
                    [KEY_PREFIX + limit.subject for limit in limits],
                    [*(limit.per_s for limit in limits), self._wanted(limits)],
                )
        except DependencyUnavailable as error:
            if was_closed:
                logger.warning(
                    "request rates are limited per process, not across processes: %s",
                    error,
                    extra=outage_of(error),
                )
            return self._local.take(limits)
        ahead = max(granted - 1, 0)
        self._note(limits, left, ahead, is_refusal=not granted)
        return RateDecision(is_allowed=granted > 0, left=[tokens + ahead for tokens in left])

    def _wanted(self, limits: Sequence[RateLimit]) -> int:
        """Estimate the number of tokens used during a lease, from the previous lease."""
        with self._lock:
            lease = self._leases.get(tuple(limits))
        if lease is None:
            return 1
        used = lease.asked * _LEASE_S / max(monotonic() - lease.began_at, _LEASE_S / _LARGEST_SHARE)
        return max(1, min(int(used), min(limit.per_s for limit in limits) // _LARGEST_SHARE))

    def _note(
        self, limits: Sequence[RateLimit], left: Sequence[int], tokens: int, *, is_refusal: bool
    ) -> None:
        """Store an answer as a lease."""
        now = monotonic()
        until = now + _LEASE_S
        if is_refusal:  # valid until there may be another token
            until = now + min(_LEASE_S, 1 / min(limit.per_s for limit in limits))
        with self._lock:
            self._leases[tuple(limits)] = _Lease(
                began_at=now, until=until, tokens=tokens, left=left, is_refusal=is_refusal
            )
            if len(self._leases) > self._sweep_at:
                self._leases = {key: lease for key, lease in self._leases.items() if lease.until > now}
                self._sweep_at = max(_SWEPT_FROM, 2 * len(self._leases))
