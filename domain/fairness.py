"""Fairness between tenants: whose execution is claimed next."""

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from domain.tenant import TenantName


@dataclass(frozen=True, slots=True)
class TenantLoad:
    """A tenant with waiting executions, and how many of its programs run.

    Attributes:
        bound: The most that may run at once; None if there is no bound.
    """

    tenant: TenantName
    running: int
    bound: int | None = None


def share(loads: Iterable[TenantLoad], claims: int) -> dict[TenantName, int]:
    """Share claims out among tenants; return how many each of them gets, if any.

    * Each claim goes to the tenant of which the fewest run, the claims before it included.
    * Among equals it goes to the one that is first in turn.
    * No tenant gets over its bound.

    Args:
        loads: The tenants, in turn.
        claims: How many to share out; less are, if all tenants have reached their bounds.
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
