"""Limits on the requests of callers per second, and the headers that describe limits in responses.

The headers follow draft-ietf-httpapi-ratelimit-headers-11. Each policy is named after a quota.
"""

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType

from application.errors import QuotaExceeded
from application.ports.rate_limiter import MAX_PER_S, RateDecision, RateLimit, RateLimiter
from domain.caller import Caller
from entrypoints.http.request_context import answer_headers

POLICY_HEADER, LIMIT_HEADER = "RateLimit-Policy", "RateLimit"
_TENANT_RATE = "requests_per_s"
_KEY_RATE = "requests_per_s_of_key"
_WINDOWS_S: Mapping[str, int] = MappingProxyType(
    {_TENANT_RATE: 1, _KEY_RATE: 1, "uploads_per_day": 86_400, "cpu_seconds_per_day": 86_400}
)
# The units of quotas that do not count requests.
_UNITS: Mapping[str, str] = MappingProxyType(
    {"cpu_seconds_per_day": "cpu-seconds", "stored_bytes": "content-bytes", "streams": "concurrent-requests"}
)
# The largest integer of a structured field (RFC 9651, 3.3.1).
_MAX_INTEGER = 999_999_999_999_999
# If no request is allowed at all, a retry cannot succeed soon.
_RETRY_FORBIDDEN_S = 60
# A bucket is full again after a second.
_RETRY_S = 1


@dataclass(frozen=True, slots=True)
class _Policy:
    """The state of a quota: its name, its figures, and the seconds until more of it is available."""

    quota: str
    allowed: int
    left: int
    seconds: int


def exceeded_headers(error: QuotaExceeded) -> dict[str, str]:
    """Return the headers that describe an exhausted quota, unless every response has them."""
    left = max(error.allowed - error.used, 0)
    policies = [_Policy(error.quota, error.allowed, left, error.retry_after_s)]
    return {} if error.quota in {_TENANT_RATE, _KEY_RATE} else _headers(policies)


def _headers(policies: Iterable[_Policy]) -> dict[str, str]:
    policy = [
        f'"{policy.quota}";q={min(policy.allowed, _MAX_INTEGER)}{_unit(policy)}{_window(policy)}'
        for policy in policies
    ]
    limit = [f'"{policy.quota}";r={min(policy.left, _MAX_INTEGER)};t={policy.seconds}' for policy in policies]
    return {POLICY_HEADER: ", ".join(policy), LIMIT_HEADER: ", ".join(limit)}


def _unit(policy: _Policy) -> str:
    unit = _UNITS.get(policy.quota)
    return "" if unit is None else f';qu="{unit}"'


def _window(policy: _Policy) -> str:
    window_s = _WINDOWS_S.get(policy.quota)
    return "" if window_s is None else f";w={window_s}"


class RequestRates:
    """Counts the requests of callers with a limit on requests per second; others cost nothing here."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter
        # A single thread of its own, so that a limiter that does not respond blocks no handler, and so that
        # requests that wait find the tokens that the first of them took.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rates")

    async def admit(self, caller: Caller) -> None:
        """Count a request, and add the caller's limits to the headers of its response.

        Raises:
            QuotaExceeded: The caller has made all requests that it may make in a second.
        """
        limits = _limits(caller)
        if not limits:
            return
        decision = await self._take([*limits.values()])
        policies = [
            _Policy(quota, limit.per_s, left, _RETRY_S if limit.per_s else _RETRY_FORBIDDEN_S)
            for (quota, limit), left in zip(limits.items(), decision.left, strict=True)
        ]
        answer_headers.set(_headers(policies))
        if not decision.is_allowed:
            used_up = next(policy for policy in policies if policy.left == 0)
            raise QuotaExceeded(used_up.quota, used_up.allowed, used_up.allowed, used_up.seconds)

    async def _take(self, limits: list[RateLimit]) -> RateDecision:
        if any(limit.per_s == 0 for limit in limits):
            return RateDecision(is_allowed=False, left=[min(limit.per_s, 1) for limit in limits])
        decision = self._limiter.try_take(limits)
        if decision is not None:
            return decision
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._limiter.take, limits)


def _limits(caller: Caller) -> dict[str, RateLimit]:
    """Return the limits of a caller, by the names of their quotas."""
    of_tenant, of_key = caller.tenant.quota.requests_per_s, caller.requests_per_s
    limits = {}
    if of_tenant is not None:
        limits[_TENANT_RATE] = RateLimit(f"tenant:{caller.tenant.name}", min(of_tenant, MAX_PER_S))
    if of_key is not None:
        limits[_KEY_RATE] = RateLimit(caller.principal, min(of_key, MAX_PER_S))
    return limits
