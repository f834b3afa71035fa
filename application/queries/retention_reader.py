"""Reads of the retention policies of tenants and projects."""

from application.ports.unit_of_work import Transaction, UnitOfWork
from application.project_lookup import existing_project
from application.views import RetentionView
from domain.caller import Caller
from domain.retention import NO_RETENTION, Retention
from domain.tenant import TenantName
from domain.values import parse_project_reference


class RetentionReader:
    """Reads how long jobs and logs are kept.

    Args:
        default: The policy of the service.
    """

    def __init__(self, unit_of_work: UnitOfWork, default: Retention) -> None:
        self._unit_of_work = unit_of_work
        self._default = default

    def of_tenant(self, name: TenantName) -> RetentionView:
        """Return the policy of a tenant, and the policy in force.

        Raises:
            NotFound: There is no such tenant.
        """

        def work(transaction: Transaction) -> RetentionView:
            transaction.tenants.get_or_raise(name)
            policies = transaction.retention.policies(self._default, name)
            return RetentionView(own=policies.of_tenants.get(name, NO_RETENTION), in_force=policies.of(name))

        return self._unit_of_work.read(work)

    def of_project(self, caller: Caller, name_or_id: str) -> RetentionView:
        """Return the policy of a project, and the policy in force.

        Raises:
            InvalidValue: The reference is neither a valid name nor a valid id.
            NotFound: There is no such project.
        """
        reference = parse_project_reference(name_or_id)

        def work(transaction: Transaction) -> RetentionView:
            project = existing_project(transaction, caller, reference)
            policies = transaction.retention.policies(self._default, project.tenant, project.id)
            return RetentionView(
                own=policies.of_projects.get(project.id, NO_RETENTION),
                in_force=policies.of(project.tenant, project.id),
            )

        return self._unit_of_work.read(work)
