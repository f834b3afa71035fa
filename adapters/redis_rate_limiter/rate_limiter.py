"""Limits on requests a second, in Redis for all processes."""

import logging
from collections.abc import Sequence
from typing import Any

from adapters.common.circuit_breaker import CircuitBreaker
from adapters.common.redis_client import connect, redis_errors
from application.errors import DependencyUnavailable
from application.log_context import outage_of
from application.ports.rate_limiter import RateDecision, RateLimit, RateLimiter

logger = logging.getLogger("service_server.rates")

KEY_PREFIX = "service_server.rate:"
_DEPENDENCY = "rate limiter"
# Each bucket is the time at which it is full again (GCRA), in microseconds of the server's clock, so that the
# clocks of the service's hosts do not matter. A key expires when its bucket is full. The half microsecond is
# more than the error of rounded sums, and less than the shortest interval between two tokens. A bucket is
# full in a second at most: a later time is from before the server's clock was set back.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local stored = redis.call('MGET', unpack(KEYS))
local full_at, left, is_allowed = {}, {}, 1
for i = 1, #KEYS do
  full_at[i] = math.max(tonumber(stored[i] or now), now)
  if full_at[i] > now + 1000001 then full_at[i] = now end
  left[i] = math.floor((now + 1000000.5 - full_at[i]) * ARGV[i] / 1000000)
  if left[i] < 1 then is_allowed = 0 end
end
if is_allowed == 1 then
  for i = 1, #KEYS do
    local full_again = full_at[i] + 1000000 / ARGV[i]
    redis.call('SET', KEYS[i], string.format('%.3f', full_again), 'PX', math.ceil((full_again - now) / 1000))
    left[i] = left[i] - 1
  end
end
return {is_allowed, unpack(left)}
"""


class RedisRateLimiter(RateLimiter):
    """Token buckets in Redis: one round trip takes a token from all buckets of a request, or from none.

    While Redis is out of reach, the requests of each process are limited by themselves.

    Args:
        url: The address of Redis, with credentials if it wants any.
        local: The buckets of this process.
    """

    def __init__(self, url: str, local: RateLimiter) -> None:
        # Redis types its replies as all that any protocol and option may give.
        self._take: Any = connect(url).register_script(_TAKE)
        self._local = local
        self._circuit = CircuitBreaker(_DEPENDENCY)

    @property
    def may_wait(self) -> bool:
        """Whether `take` waits for another process: for Redis."""
        return True

    def take(self, limits: Sequence[RateLimit]) -> RateDecision:
        """Take a token from each bucket, or from none of them if one is empty."""
        was_closed = self._circuit.is_closed
        try:
            with self._circuit.call(), redis_errors(_DEPENDENCY):
                is_allowed, *left = self._take(
                    [KEY_PREFIX + limit.subject for limit in limits], [limit.per_s for limit in limits]
                )
        except DependencyUnavailable as error:
            if was_closed:
                logger.warning(
                    "requests a second are limited for each process alone: %s", error, extra=outage_of(error)
                )
            return self._local.take(limits)
        return RateDecision(is_allowed=bool(is_allowed), left=left)
