"""Command: store cases as a version of a case set."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.blobs import Blobs
from application.caller_unit_of_work import CallerUnitOfWork
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction
from application.project_lookup import ensure_work_is_taken, existing_project
from application.quota_guard import QuotaGuard
from application.stored_first import discarded_on_failure
from application.submitted_cases import NewCase, submit
from domain.audit import Act, Usage
from domain.caller import Caller
from domain.case_set import CaseSetName, CaseSetReference, CaseSetVersion, CaseSetVersionId
from domain.cases import StopOn
from domain.limits import LimitPolicy
from domain.project import Project
from domain.submission_limits import SubmissionLimits
from domain.values import ProjectName, parse_project_reference


@dataclass(frozen=True, slots=True)
class StoredCaseSet:
    """The latest version of a case set.

    Attributes:
        is_new: Whether it was stored now, because the cases differ from those of the previous version.
        stored_bytes: The bytes that are counted for it.
    """

    project: Project
    version: CaseSetVersion
    is_new: bool
    stored_bytes: int = 0


class PutCaseSet:
    """Stores cases as the next version of a case set.

    * If the cases equal those of the latest version, no new version is created. Earlier versions never
      change.
    * The cases are stored before the version, so that a version always has its cases.
    * A project given by a name that does not exist is created; a project given by its id must exist.
    * An archived project takes no new work, and a suspended tenant cannot store cases.
    * The tenant's quota of stored bytes must have room, and the cases' limits must be within its own.
    """

    def __init__(
        self,
        unit_of_work: CallerUnitOfWork,
        blobs: Blobs,
        quota_guard: QuotaGuard,
        clock: Clock,
        ids: IdGenerator,
        limit_policy: LimitPolicy,
        submission_limits: SubmissionLimits,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._blobs = blobs
        self._quota_guard = quota_guard
        self._clock = clock
        self._ids = ids
        self._limit_policy = limit_policy
        self._submission_limits = submission_limits

    def __call__(self, caller: Caller, project: str, name: str, cases: Sequence[NewCase]) -> StoredCaseSet:
        """Return the version that has the cases.

        Raises:
            InvalidValue: The name or a case breaks its rule; nothing was stored.
            NotFound: There is no project with the id.
            ProjectTransitionRefused: The project takes no new work.
            TenantTransitionRefused: The tenant is suspended.
            QuotaExceeded: The tenant's quota has no room for them.
            DependencyUnavailable: The database or a store is unavailable.
        """
        with self._unit_of_work.recording_refusals(caller, Act.CASE_SET_PUT, f"{project}/{name}"[:255]):
            caller.tenant.ensure_active()
            reference = parse_project_reference(project)
            set_name = CaseSetName(name)
            policy = self._limit_policy.lowered_to(caller.tenant.quota.limits)
            submitted, content = submit(cases, StopOn.NEVER, self._submission_limits, policy)
            manifest = submitted.manifest
            now, version_id = self._clock.now(), CaseSetVersionId(self._ids.new())
            self._unit_of_work.read(lambda t: ensure_work_is_taken(t, caller, [reference]))
            missing = self._blobs.announce(caller.tenant.name, frozenset({manifest}))
            added = Usage(stored_bytes=sum(blob.size for blob in missing))
            self._quota_guard.check_early(self._unit_of_work, caller, added, now)

        def work(transaction: Transaction) -> StoredCaseSet:
            if isinstance(reference, ProjectName):
                owner = transaction.projects.get_or_add(caller, reference, None, now)
            else:
                owner = existing_project(transaction, caller, reference)
            owner.ensure_takes_work()
            latest = transaction.case_sets.get(owner, CaseSetReference(set_name))
            if latest is not None and latest.manifest == manifest:
                return StoredCaseSet(owner, latest, is_new=False)
            version = CaseSetVersion(
                id=version_id,
                tenant=caller.tenant.name,
                project_id=owner.id,
                name=set_name,
                number=1 if latest is None else latest.number + 1,
                manifest=manifest,
                total=submitted.total,
                created_at=now,
                created_by=caller.principal,
            )
            transaction.case_sets.add(version)
            stored_bytes = transaction.blobs.refer(caller.tenant.name, version_id, [manifest])
            self._quota_guard.check(transaction, caller, Usage(stored_bytes=stored_bytes), now)
            return StoredCaseSet(owner, version, is_new=True, stored_bytes=stored_bytes)

        with discarded_on_failure(lambda: self._blobs.withdraw(caller.tenant.name, missing)):
            self._blobs.store(caller.tenant.name, dict.fromkeys(missing, content))
            return self._unit_of_work.run(
                caller,
                Act.CASE_SET_PUT,
                work,
                subject=lambda done: str(done.version.reference),
                project=lambda done: done.project.id,
                usage=lambda done: Usage(stored_bytes=done.stored_bytes),
                asked_for=name,
            )
