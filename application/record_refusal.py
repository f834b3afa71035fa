"""The recording of refused actions, within limits."""

import logging
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from application.errors import DependencyUnavailable
from application.log_context import current_request_id
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.audit import LEFT_OUT, UNKNOWN, Act, AuditEntry, AuditEntryId
from domain.caller import ANONYMOUS, Caller
from domain.tenant import TenantName

logger = logging.getLogger("service_server.audit")

_WINDOW_S = 60.0
_OF_A_CALLER = 20
_OF_ALL = 600
# The number of callers whose unrecorded refusals are counted separately; all others are counted together.
_COUNTED_CALLERS = 100
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class _Source:
    """The origin of refusals: a caller with a key, or else an address."""

    tenant: TenantName | None
    principal: str
    address: str | None


_OTHERS = _Source(None, UNKNOWN, None)


@dataclass(slots=True)
class _Window:
    """The refusals of a minute."""

    begin: float
    recorded: Counter[_Source] = field(default_factory=Counter)
    left_out: Counter[_Source] = field(default_factory=Counter)

    def admit(self, source: _Source) -> bool:
        """Count a refusal; return whether it is recorded."""
        if self.recorded[source] < _OF_A_CALLER and self.recorded.total() < _OF_ALL:
            self.recorded[source] += 1
            return True
        is_counted_apart = source in self.left_out or len(self.left_out) < _COUNTED_CALLERS
        self.left_out[source if is_counted_apart else _OTHERS] += 1
        return False


class RecordRefusal:
    """Records refused actions, each in its own transaction.

    * A limited number per caller and minute, and in total per minute, get an audit entry; callers without a
      key are distinguished by their addresses. Further refusals are counted, and the counts are recorded
      after the minute.
    * If the database is unavailable, the refusal is not recorded, but the action is still refused.
    """

    def __init__(self, unit_of_work: UnitOfWork, clock: Clock, ids: IdGenerator) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._ids = ids
        self._lock = threading.Lock()
        self._window = _Window(clock.monotonic())

    def __call__(
        self, act: Act, caller: Caller | None, address: str | None, subject: str, outcome: str
    ) -> None:
        """Record a refusal.

        Args:
            act: The action that was refused.
            caller: The caller; None if it is not authenticated.
            address: The network address of the caller.
            subject: The job, project, key, tenant or route, by the name that the caller gave.
            outcome: The kind of the refusal.
        """
        self.record_left_out()
        tenant, principal = (None, UNKNOWN) if caller is None else (caller.tenant.name, caller.principal)
        is_known = caller is not None and caller.principal != ANONYMOUS
        source = _Source(tenant, principal, None if is_known else address)
        with self._lock:
            is_recorded = self._window.admit(source)
        if is_recorded:
            entry = AuditEntry(
                id=AuditEntryId(self._ids.new()),
                at=self._clock.now(),
                tenant=tenant,
                principal=principal,
                address=address,
                act=act,
                subject=subject,
                outcome=outcome,
                request_id=current_request_id(),
                project=None if caller is None else caller.project,
            )
            self._add([entry])

    def record_left_out(self) -> None:
        """Record the counts of the last window if it is over."""
        with self._lock:
            now = self._clock.monotonic()
            if now - self._window.begin < _WINDOW_S:
                return
            left_out = self._window.left_out
            self._window = _Window(now)
        if left_out:
            at = self._clock.now()
            self._add([self._count(source, count, at) for source, count in left_out.items()])

    def _count(self, source: _Source, count: int, at: datetime) -> AuditEntry:
        return AuditEntry(
            id=AuditEntryId(self._ids.new()),
            at=at,
            tenant=source.tenant,
            principal=source.principal,
            address=source.address,
            act=Act.ACCESS_REFUSE,
            subject="",
            outcome=LEFT_OUT,
            left_out=count,
        )

    def _add(self, entries: list[AuditEntry]) -> None:
        def work(transaction: Transaction) -> None:
            for entry in entries:
                transaction.audit.add(entry)

        try:
            self._unit_of_work.run(work)
        except DependencyUnavailable as error:
            logger.warning("%d refusals were not recorded: %s", len(entries), error)


def refusal_kind(error: Exception) -> str:
    """Return the kind of a refusal: the name of the error in snake case, such as `scope_missing`."""
    return _WORDS.sub("_", type(error).__name__).lower()
