"""Command: set the retention policy of a tenant or of a project."""

from application.caller_unit_of_work import CallerUnitOfWork
from application.ports.unit_of_work import Transaction
from application.project_lookup import existing_project
from application.views import RetentionView
from domain.audit import Act
from domain.caller import Caller
from domain.catalogue.text import text
from domain.errors import TenantTransitionRefused
from domain.project import Project
from domain.retention import Retention
from domain.tenant import TenantName, TenantStatus
from domain.values import parse_project_reference


class SetRetention:
    """Sets how long jobs and logs of a tenant or of a project are kept.

    * It replaces the entire previous policy. A value that it does not set is inherited from the tenant or the
      service.
    * It also applies to existing jobs and logs.
    * A suspended tenant cannot change the policies of its projects.

    Args:
        default: The policy of the service.
    """

    def __init__(self, unit_of_work: CallerUnitOfWork, default: Retention) -> None:
        self._unit_of_work = unit_of_work
        self._default = default

    def __call__(self, caller: Caller, owner: TenantName | str, policy: Retention) -> RetentionView:
        """Return the policy as set, and the policy in force for its owner.

        Args:
            caller: The caller.
            owner: The name of a tenant, or the name or id of a project.
            policy: The policy.

        Raises:
            InvalidValue: The reference is neither a valid name nor a valid id.
            NotFound: There is no such tenant or project.
            TenantTransitionRefused: The tenant is deleted; for a project, suspended.
        """
        if isinstance(owner, TenantName):
            return self._of_tenant(caller, owner, policy)
        return self._of_project(caller, owner, policy)

    def _of_tenant(self, caller: Caller, name: TenantName, policy: Retention) -> RetentionView:

        def work(transaction: Transaction) -> RetentionView:
            tenant = transaction.tenants.lock_or_raise(name)
            if tenant.status is TenantStatus.DELETED:
                raise TenantTransitionRefused(
                    text("problems.tenant_without_retention", name=name, status=tenant.status)
                )
            transaction.retention.put(name, None, policy)
            return RetentionView(own=policy, in_force=policy.over(self._default))

        return self._unit_of_work.run(
            caller, Act.TENANT_RETENTION, work, subject=lambda _view: name.value, asked_for=name.value
        )

    def _of_project(self, caller: Caller, name_or_id: str, policy: Retention) -> RetentionView:
        reference = parse_project_reference(name_or_id)

        def work(transaction: Transaction) -> tuple[Project, RetentionView]:
            caller.tenant.ensure_active()
            project = existing_project(transaction, caller, reference)
            transaction.retention.put(project.tenant, project.id, policy)
            of_tenant = transaction.retention.policies(self._default, project.tenant).of(project.tenant)
            return project, RetentionView(own=policy, in_force=policy.over(of_tenant))

        _project, view = self._unit_of_work.run(
            caller,
            Act.PROJECT_RETENTION,
            work,
            subject=lambda done: done[0].name.value,
            project=lambda done: done[0].id,
            asked_for=name_or_id,
        )
        return view
