"""Command: archive, restore or delete a project."""

from application.caller_unit_of_work import CallerUnitOfWork
from application.errors import Conflict, NotFound
from application.idempotent_requests import project_again
from application.ports.unit_of_work import Transaction
from domain.audit import Act
from domain.caller import Caller
from domain.project import Project, ProjectStatus, ProjectTrigger
from domain.values import parse_project_reference

_ACTS = {
    ProjectTrigger.ARCHIVE: Act.PROJECT_ARCHIVE,
    ProjectTrigger.RESTORE: Act.PROJECT_RESTORE,
    ProjectTrigger.DELETE: Act.PROJECT_DELETE,
}


class ChangeProject:
    """Archives, restores or deletes a project.

    * An archived project keeps its history and takes no new work; running jobs run to their end.
    * A deleted project is gone from every list and its name is free again; its jobs can still be read by
      their ids.
    * A project cannot be deleted while one of its jobs runs.
    """

    def __init__(self, unit_of_work: CallerUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def __call__(self, caller: Caller, name_or_id: str, trigger: ProjectTrigger) -> Project:
        """Return the project as it is then.

        Raises:
            InvalidValue: The reference to the project can be neither a name nor an id.
            NotFound: There is no such project.
            ProjectTransitionRefused: Its status forbids the trigger.
            Conflict: It is to be deleted, and has a running job.
        """
        reference = parse_project_reference(name_or_id)

        def work(transaction: Transaction) -> Project:
            before = transaction.projects.get(caller, reference)
            if before is None or before.status is ProjectStatus.DELETED:
                raise NotFound("project", reference)
            after = before.apply(trigger)
            transaction.projects.replace(before, after)
            # Looked at last, when others wait for the project: what they started before is seen.
            if after.status is ProjectStatus.DELETED and transaction.projects.has_running_jobs(before.id):
                raise Conflict(f"project '{before.name}' has running jobs; cancel them first")
            return after

        return self._unit_of_work.run(
            caller,
            _ACTS[trigger],
            work,
            subject=lambda project: project.name.value,
            project=lambda project: project.id,
            asked_for=name_or_id,
            again=project_again(caller, reference),
        )
