"""Per-receiver limits, which keep a slow or dead receiver from delaying the others."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from application.ports.clock import Clock
from application.ports.delivery_repository import DeliveryClaim
from application.retry_policy import RetryPolicy
from domain.delivery import Delivery

# A receiver that takes this long is slow; all slow receivers together get only a part of the threads.
_SLOW_S = 0.5
_SLOW_PART = 4
# A tenant gets at most half of the threads.
_TENANT_PART = 2
# After this many consecutive failures a receiver is paused, and then gets a single event as a trial.
_FAILURES = 10
_PAUSES = RetryPolicy.exponential(1.0, 60.0, jitter=0.3)
# The maximum number of receivers that are remembered; any further ones are treated as new.
_MAX_REMEMBERED = 1_000


@dataclass(slots=True)
class _Lane:
    """The state of a tenant's receiver in this process."""

    tenant: str
    in_flight: int = 0
    failures: int = 0
    closed_until: float = 0.0
    is_slow: bool = False

    @property
    def is_usual(self) -> bool:
        """Whether it is in its initial state and can be forgotten."""
        return not (self.in_flight or self.failures or self.is_slow)


class ReceiverLanes:
    """The deliveries that this process is posting, by receiver and by tenant. Thread-safe.

    * A receiver gets a few deliveries at once, and a tenant at most half of the room. If several tenants have
      deliveries, each gets a share that leaves room for one more tenant.
    * Slow receivers together get a quarter of the room, one delivery each, evenly spread over their tenants.
    * A receiver that failed ten times in a row is paused for a second, and for longer after each further
      failure, up to a minute; after each pause it gets one delivery.

    Args:
        threads: How many deliveries are posted at once.
        per_receiver: How many of them go to one receiver.
    """

    def __init__(self, clock: Clock, threads: int, per_receiver: int) -> None:
        self._clock = clock
        self._per_receiver = per_receiver
        self._threads = threads
        self._slow_at_once = max(threads // _SLOW_PART, 1)
        self._lanes: dict[str, _Lane] = {}
        self._tenants: Counter[str] = Counter()
        self._lock = Lock()

    def claim(self, limit: int, lease_s: float) -> DeliveryClaim:
        """Return the bounds for claiming up to `limit` deliveries."""
        with self._lock:
            share = max(self._threads // max(_TENANT_PART, len(self._tenants) + 1), 1)
            return DeliveryClaim(
                limit=limit,
                per_receiver=self._per_receiver,
                per_tenant=share,
                lease_s=lease_s,
                room=self._room(),
                tenant_room={name: share - count for name, count in self._tenants.items()},
            )

    def begin(self, delivery: Delivery) -> None:
        """Record that a delivery is being posted."""
        with self._lock:
            tenant = delivery.tenant.value
            self._lanes.setdefault(delivery.receiver, _Lane(tenant)).in_flight += 1
            self._tenants[tenant] += 1

    def end(self, delivery: Delivery, *, took_s: float, is_success: bool) -> None:
        """Record that a delivery was posted, and its outcome."""
        with self._lock:
            lane = self._lanes[delivery.receiver]
            lane.in_flight -= 1
            lane.is_slow = took_s >= _SLOW_S
            lane.failures = 0 if is_success else lane.failures + 1
            if lane.failures >= _FAILURES:
                pause_s = _PAUSES.delay_after(lane.failures - _FAILURES + 1)
                lane.closed_until = self._clock.monotonic() + pause_s
            self._tenants[delivery.tenant.value] -= 1
            if not self._tenants[delivery.tenant.value]:
                del self._tenants[delivery.tenant.value]
            self._forget(delivery.receiver, lane)

    def _forget(self, receiver: str, lane: _Lane) -> None:
        if lane.is_usual:
            del self._lanes[receiver]
        elif len(self._lanes) > _MAX_REMEMBERED:
            idle = (name for name, one in self._lanes.items() if not one.in_flight)
            if (oldest := next(idle, None)) is not None:
                del self._lanes[oldest]

    def _room(self) -> dict[str, int]:
        now = self._clock.monotonic()
        room = {name: self._room_of(lane, now) for name, lane in self._lanes.items()}
        slow = {name: lane for name, lane in self._lanes.items() if lane.is_slow}
        of_tenants = Counter({lane.tenant: 0 for lane in slow.values()})
        for lane in slow.values():
            of_tenants[lane.tenant] += lane.in_flight
        left = max(self._slow_at_once - of_tenants.total(), 0)
        for name in self._in_turns(slow, room, of_tenants)[left:]:
            room[name] = 0
        return room

    @staticmethod
    def _in_turns(
        slow: Mapping[str, _Lane], room: Mapping[str, int], of_tenants: Counter[str]
    ) -> Sequence[str]:
        """Return slow receivers that have room, in random order, but one of each tenant before two of any."""
        ranked = []
        for name in random.sample(list(slow), len(slow)):
            if room[name] > 0:
                tenant = slow[name].tenant
                ranked.append((of_tenants[tenant], name))
                of_tenants[tenant] += 1
        return [name for _, name in sorted(ranked, key=lambda each: each[0])]

    def _room_of(self, lane: _Lane, now: float) -> int:
        is_on_trial = lane.is_slow or lane.failures >= _FAILURES
        if lane.failures >= _FAILURES and now < lane.closed_until:
            return 0
        return (1 if is_on_trial else self._per_receiver) - lane.in_flight
