"""Fairness between tenants: whose execution is claimed next."""

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from domain.tenant import TenantName


@dataclass(frozen=True, slots=True)
class TenantLoad:
    """A tenant with waiting executions, and the number of its running executions.

    Attributes:
        bound: The maximum number of running executions; None without a limit.
    """

    tenant: TenantName
    running: int
    bound: int | None = None


def share(loads: Iterable[TenantLoad], claims: int) -> dict[TenantName, int]:
    """Distribute claims among tenants; return how many each tenant gets, omitting zeros.

    * Each claim goes to the tenant with the fewest running executions, including earlier claims.
    * Among equal tenants it goes to the first in turn.
    * No tenant exceeds its bound.

    Args:
        loads: The tenants, in turn.
        claims: How many claims to distribute; fewer are distributed if all tenants reach their bounds.
    """
    queue = [
        (load.running, turn, load)
        for turn, load in enumerate(loads)
        if load.bound is None or load.running < load.bound
    ]
    heapify(queue)
    shares: dict[TenantName, int] = {}
    while queue and sum(shares.values()) < claims:
        running, turn, load = heappop(queue)
        shares[load.tenant] = shares.get(load.tenant, 0) + 1
        if load.bound is None or running + 1 < load.bound:
            heappush(queue, (running + 1, turn, load))
    return shares
