"""Command: remove jobs, logs and records that their retention policies no longer keep."""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from threading import Event
from typing import TypeVar
from uuid import UUID

from application.due_jobs import DueJobs, DueJobsFinder
from application.metrics import PURGE_DURATION, PURGED_BYTES, PURGED_ROWS
from application.orphan_sweep import OrphanSweep
from application.pace import Pace, Progress
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.measurements import Measurements
from application.ports.purge_repository import CASES_OF_A_JOB, Removed
from application.ports.retention_repository import LOG_WALKS, EndedExecution, Place
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.audit import NO_USAGE, SERVICE, Act, AuditEntry, AuditEntryId, ChainLink, Usage
from domain.retention import FOREVER, NO_RETENTION, Retention
from domain.tenant import TenantName
from domain.values import ExecutionId, JobId, ProjectId

T = TypeVar("T")

logger = logging.getLogger("service_server.retention")

_WALKED_AT_ONCE = 1_000
# The interval is long because each shortening of the audit log adds an entry to it.
_AUDIT_EVERY_S = _USAGE_EVERY_S = 3_600.0
_SWEEP_EVERY_S = 86_400.0
# A periodic step may run slightly early, because the intervals of tasks vary.
_EARLY = 0.9
# The kinds that are counted as rows in the metrics.
_ROWS = frozenset({"jobs", "executions", "cases", "audit", "usage"})
_FIRST_ID = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRules:
    """The retention rules of the service itself.

    Attributes:
        default: The policy of owners that have no policy.
        audit_days: The days for which audit entries are kept; None to keep them forever.
        usage_days: The days for which daily sums of usage are kept; None to keep them forever.
        orphans_kept: The age from which an object without a row is removed.
    """

    default: Retention = NO_RETENTION
    audit_days: float | None = None
    usage_days: float | None = None
    orphans_kept: timedelta


class ApplyRetention:
    """Removes jobs, logs and records that their retention policies no longer keep.

    * A job is removed with its executions, tags, results, deliveries and references to files, in a
      transaction that also records the keys of its code and logs; `RemoveDeleted` deletes these objects. A
      RUNNING job is kept.
    * If a job has many cases, their results are removed first, in separate transactions. If the process is
      killed in between, the job is left with fewer results, and another process continues.
    * If a log is removed before its job, the result stays and no longer names the log.
    * The audit log loses its oldest entries. Verification of the chain then starts after the last removed
      entry, whose link is recorded in an audit entry.
    * Objects that no row refers to are removed too: `OrphanSweep`.
    * Transactions are small, with pauses between them. Any number of processes may run at the same time; each
      skips the rows that another has locked. A killed process leaves nothing half done.
    * Each transaction adds an audit entry, which credits the freed bytes to the tenant.

    Attributes:
        removed: How many jobs, logs and other things this process has removed, by kind.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        orphans: OrphanSweep,
        clock: Clock,
        ids: IdGenerator,
        rules: RetentionRules,
        measurements: Measurements,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._orphans = orphans
        self._clock = clock
        self._ids = ids
        self._rules = rules
        self._due_jobs = DueJobsFinder(unit_of_work, clock, rules.default)
        self._stopping = Event()
        self._measurements = measurements
        self._pace = Pace(clock, self._stopping.wait, observe=partial(measurements.observe, PURGE_DURATION))
        self.removed: Counter[str] = Counter()

    def __call__(self, *, at_once: bool = False) -> Mapping[str, int]:
        """Remove everything that is due, until `stop` is called; return the numbers removed, by kind.

        Args:
            at_once: Whether to pause less, and to repeat periodic steps that another process did recently.

        Raises:
            DependencyUnavailable: The database or an object store is unavailable.
        """
        before = self.removed.copy()
        self._pace.begin()
        pace = self._pace.hurried() if at_once else self._pace
        self._remove_jobs(pace)
        self._remove_logs(pace)
        self._shorten_audit_log(pace, at_once=at_once)
        self._forget_usage(pace, at_once=at_once)
        self._sweep(pace, at_once=at_once)
        done = self.removed - before
        if done:
            logger.info(
                "removed after their retention: %s",
                ", ".join(f"{n} {kind}" for kind, n in sorted(done.items())),
            )
        return done

    def stop(self) -> None:
        """Stop after the current step, and end any pause."""
        self._stopping.set()

    def estimate(self) -> Mapping[str, int]:
        """Return the numbers of rows, objects and bytes that are due, by kind, without removing any.

        At most a million jobs are counted per project and status; their executions, tags, objects and bytes
        are extrapolated from the oldest jobs. Objects without a row are looked up in the stores.

        Raises:
            DependencyUnavailable: The database or an object store is unavailable.
        """
        found: Counter[str] = Counter()
        for due in self._due_jobs.find():
            found.update(self._due_jobs.estimate(due))
        found.update(self._orphans.estimate())
        return found

    def _remove_jobs(self, pace: Pace) -> None:
        for due in self._due_jobs.find():
            place: Place | None = None
            while not self._stopping.is_set() and self._due_jobs.is_still_due(due):
                walked = pace.read(partial(self._due_jobs.walk, due, place, _WALKED_AT_ONCE))
                remove = partial(self._remove_batch, due)
                for _ in pace.batches("jobs", walked.due, remove):
                    if self._stopping.is_set():
                        return
                place = walked.last
                if place is None:
                    break

    def _remove_batch(self, due: DueJobs, ids: Sequence[JobId], size: int) -> int | Progress:
        """Remove jobs, or some results of their cases first; return how many of the jobs are finished."""
        entry_id, now = AuditEntryId(self._ids.new()), self._clock.now()

        def work(transaction: Transaction) -> Removed:
            removed = transaction.retention.remove_jobs(ids, due.status, due.before, size * CASES_OF_A_JOB)
            if removed.jobs:
                usage = Usage(stored_bytes=-removed.freed_bytes)
                subject = f"{len(removed.jobs)} jobs"
                transaction.audit.add(
                    _entry(entry_id, now, Act.JOB_EXPIRE, subject, due.tenant, due.project, usage)
                )
            return removed

        removed = self._run(work)
        jobs, executions = len(removed.jobs), len(removed.executions)
        self._count(jobs=jobs, executions=executions, cases=removed.cases, bytes=removed.freed_bytes)
        return Progress(0, is_full=True) if removed.is_slice else len(ids)

    def _remove_logs(self, pace: Pace) -> None:
        policies = self._due_jobs.policies()
        for days in policies.figures("logs_days") - {FOREVER}:
            if isinstance(days, int | float):
                self._walk_logs(pace, days)

    def _walk_logs(self, pace: Pace, days: float) -> None:
        """Remove logs that are kept for this many days, continuing where an earlier walk ended.

        A policy set during the walk applies from the next page on. The walk still continues to its end and
        the next one starts over, so that an owner who sets policies repeatedly does not delay the others.
        """
        name = f"{LOG_WALKS}{days} of {self._rules.default.logs_days}"
        before = self._clock.now() - timedelta(days=days)
        mark = self._unit_of_work.run(lambda t: t.retention.mark(name))
        place, is_marked = None if mark is None else Place(mark, _FIRST_ID), True
        while not self._stopping.is_set():
            page = pace.read(
                lambda place=place: self._unit_of_work.read(  # type: ignore[misc]
                    lambda t: t.retention.ended_executions(place, before, _WALKED_AT_ONCE)
                )
            )
            policies = self._due_jobs.policies()
            in_force = {(one.tenant, one.project): policies.of(one.tenant, one.project) for one in page}
            due = [one for one in page if one.has_log and in_force[one.tenant, one.project].logs_days == days]
            for _ in pace.batches("logs", due, self._remove_logs_of):
                if self._stopping.is_set():
                    return
            if not page:
                return
            place = page[-1].place
            if is_marked and place.at != mark:
                is_marked = self._unit_of_work.run(
                    lambda t, at=place.at: t.retention.set_mark(name, at)  # type: ignore[misc]
                )
            if len(page) < _WALKED_AT_ONCE:
                return

    def _remove_logs_of(self, batch: Sequence[EndedExecution], _size: int) -> int:
        now = self._clock.now()
        of_projects: dict[tuple[TenantName, ProjectId], list[ExecutionId]] = defaultdict(list)
        for one in batch:
            of_projects[one.tenant, one.project].append(one.id)
        entry_ids = {owner: AuditEntryId(self._ids.new()) for owner in of_projects}

        def work(transaction: Transaction) -> int:
            freed = 0
            for (tenant, project), ids in of_projects.items():
                freed_bytes = transaction.retention.remove_logs(ids)
                usage, subject = Usage(stored_bytes=-freed_bytes), f"{len(ids)} logs"
                entry_id = entry_ids[tenant, project]
                transaction.audit.add(_entry(entry_id, now, Act.LOG_EXPIRE, subject, tenant, project, usage))
                freed += freed_bytes
            return freed

        freed = self._run(work)
        self._count(logs=len(batch), bytes=freed)
        return len(batch)

    def _shorten_audit_log(self, pace: Pace, *, at_once: bool) -> None:
        days = self._rules.audit_days
        if days is None or not self._is_due("audit", _AUDIT_EVERY_S, at_once=at_once):
            return
        before = self._clock.now() - timedelta(days=days)
        while not self._stopping.is_set():
            removed = pace.step("audit", lambda size: self._remove_entries(before, size))
            if not removed:
                return
            self._count(audit=removed)

    def _remove_entries(self, before: datetime, limit: int) -> int:
        entry_id, now = AuditEntryId(self._ids.new()), self._clock.now()

        def work(transaction: Transaction) -> int:
            start = transaction.audit.start()
            last: ChainLink | None = transaction.audit.shorten(before, limit)
            if last is None:
                return 0
            transaction.audit.add(_entry(entry_id, now, Act.AUDIT_SHORTEN, str(last)))
            return last.sequence - start.sequence

        return self._run(work)

    def _forget_usage(self, pace: Pace, *, at_once: bool) -> None:
        days = self._rules.usage_days
        if days is None or not self._is_due("usage", _USAGE_EVERY_S, at_once=at_once):
            return
        before = self._clock.now() - timedelta(days=days)
        for tenant in self._unit_of_work.read(lambda t: t.tenants.all()):
            while not self._stopping.is_set():
                forgotten = pace.step(
                    "usage",
                    lambda size, name=tenant.name: self._run(  # type: ignore[misc]
                        lambda t: t.retention.forget_usage(name, before, size)
                    ),
                )
                if not forgotten:
                    break
                self._count(usage=forgotten)

    def _sweep(self, pace: Pace, *, at_once: bool) -> None:
        if self._orphans.has_stores and self._is_due("orphans", _SWEEP_EVERY_S, at_once=at_once):
            self._orphans.remove(pace, self._stopping, lambda removed: self._count(orphans=removed))

    def _run(self, work: Callable[[Transaction], T]) -> T:
        """Run the transaction of a batch, and measure its duration."""
        return self._unit_of_work.run(self._pace.timed(work))

    def _count(self, **removed: int) -> None:
        self.removed.update(removed)
        for kind in _ROWS.intersection(removed):
            self._measurements.count(PURGED_ROWS, kind, by=removed[kind])
        self._measurements.count(PURGED_BYTES, by=removed.get("bytes", 0))

    def _is_due(self, name: str, every_s: float, *, at_once: bool) -> bool:
        """Return whether this process should run a step that all processes share, and claim it if so."""
        now = self._clock.now()
        return self._unit_of_work.run(
            lambda t: t.retention.take_turn(name, now, 0 if at_once else every_s * _EARLY)
        )


def _entry(
    entry_id: AuditEntryId,
    now: datetime,
    act: Act,
    subject: str,
    tenant: TenantName | None = None,
    project: ProjectId | None = None,
    usage: Usage = NO_USAGE,
) -> AuditEntry:
    return AuditEntry(
        id=entry_id,
        at=now,
        tenant=tenant,
        principal=SERVICE,
        act=act,
        subject=subject,
        project=project,
        usage=usage,
    )
