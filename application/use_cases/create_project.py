"""Command: get or create a project."""

from application.caller_unit_of_work import CallerUnitOfWork
from application.idempotent_requests import project_again
from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction
from domain.audit import Act
from domain.caller import Caller
from domain.project import Project
from domain.submission_limits import SubmissionLimits
from domain.values import ProjectName


class CreateProject:
    """Gets the project with a name, or creates it.

    * Creating the same name twice returns the same project.
    * A suspended tenant cannot create projects.
    * The description is stored when the project is created; an existing project keeps its own.
    """

    def __init__(
        self, unit_of_work: CallerUnitOfWork, clock: Clock, submission_limits: SubmissionLimits
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._submission_limits = submission_limits

    def __call__(self, caller: Caller, name: str, description: str | None) -> Project:
        """Return the project.

        Raises:
            InvalidValue: The name or the description breaks its rule.
            TenantTransitionRefused: The tenant is suspended.
            NotFound: The caller is restricted to another project.
        """
        project_name = ProjectName(name)
        if description is not None:
            self._submission_limits.check_text("description", description)
        now = self._clock.now()

        def work(transaction: Transaction) -> Project:
            caller.tenant.ensure_active()
            return transaction.projects.get_or_add(caller, project_name, description, now)

        return self._unit_of_work.run(
            caller,
            Act.PROJECT_CREATE,
            work,
            subject=lambda project: project.name.value,
            project=lambda project: project.id,
            asked_for=name,
            again=project_again(caller, project_name),
        )
