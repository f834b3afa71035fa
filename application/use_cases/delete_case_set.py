"""Command: delete a case set."""

from application.caller_unit_of_work import CallerUnitOfWork
from application.errors import NotFound
from application.ports.unit_of_work import Transaction
from application.project_lookup import existing_project
from domain.audit import Act
from domain.caller import Caller
from domain.case_set import CaseSetName
from domain.project import Project
from domain.values import parse_project_reference


class DeleteCaseSet:
    """Deletes a case set with all of its versions.

    * Jobs uploaded with one of its versions keep the cases and can be run again.
    * The stored bytes are credited to the tenant some hours after the last job that uses them is removed.
    * A suspended tenant cannot delete case sets.
    """

    def __init__(self, unit_of_work: CallerUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def __call__(self, caller: Caller, project: str, name: str) -> None:
        """Delete the case set.

        Raises:
            InvalidValue: The name of the project or of the set breaks its rule.
            NotFound: There is no such case set.
            TenantTransitionRefused: The tenant is suspended.
        """

        def work(transaction: Transaction) -> Project:
            caller.tenant.ensure_active()
            owner = existing_project(transaction, caller, parse_project_reference(project))
            set_name = CaseSetName(name)
            if not transaction.case_sets.remove(owner, set_name):
                raise NotFound("case set", set_name)
            return owner

        self._unit_of_work.run(
            caller,
            Act.CASE_SET_DELETE,
            work,
            subject=lambda _owner: name,
            project=lambda owner: owner.id,
            asked_for=name[:255],
        )
