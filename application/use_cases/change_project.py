"""Command: archive, restore, delete or purge a project."""

from application.caller_unit_of_work import CallerUnitOfWork
from application.errors import Conflict, NotFound
from application.idempotent_requests import project_again
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.purge_repository import purge_of_project
from application.ports.unit_of_work import Transaction
from domain.audit import Act
from domain.caller import Caller
from domain.catalogue.text import text
from domain.project import Project, ProjectStatus, ProjectTrigger
from domain.values import parse_project_reference

_ACTS = {
    ProjectTrigger.ARCHIVE: Act.PROJECT_ARCHIVE,
    ProjectTrigger.RESTORE: Act.PROJECT_RESTORE,
    ProjectTrigger.DELETE: Act.PROJECT_DELETE,
    ProjectTrigger.PURGE: Act.PROJECT_PURGE,
}


class ChangeProject:
    """Archives, restores, deletes or purges a project.

    * An archived project keeps its history and takes no new work; running jobs run to their end.
    * A deleted project is gone from every list and its name is free again; its jobs can still be read by
      their ids.
    * A purged project is gone with its jobs at once, for every caller, and `RemoveDeleted` removes them. One
      that was deleted before is purged by its id.
    * A project cannot be deleted or purged while one of its jobs runs.
    * A suspended tenant changes no project.
    """

    def __init__(self, unit_of_work: CallerUnitOfWork, clock: Clock, ids: IdGenerator) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._ids = ids

    def __call__(self, caller: Caller, name_or_id: str, trigger: ProjectTrigger) -> Project:
        """Return the project as it is then.

        Raises:
            InvalidValue: The reference to the project can be neither a name nor an id.
            NotFound: There is no such project.
            ProjectTransitionRefused: Its status forbids the trigger.
            TenantTransitionRefused: The tenant is suspended.
            Conflict: It is to be deleted or purged, and has a running job.
        """
        reference = parse_project_reference(name_or_id)
        now, purge_id = self._clock.now(), self._ids.new()

        def work(transaction: Transaction) -> Project:
            caller.tenant.ensure_active()
            before = transaction.projects.get(caller, reference)
            if before is None or not (before.is_live or _purges_deleted(before, trigger)):
                raise NotFound("project", reference)
            after = before.apply(trigger)
            transaction.projects.replace(before, after)
            # Looked at last, when others wait for the project: what they started before is seen.
            if not after.is_live and transaction.projects.has_running_jobs(before.id):
                raise Conflict(text("problems.project_has_jobs", name=before.name))
            if after.status is ProjectStatus.PURGED:
                transaction.purges.add(purge_of_project(purge_id, after, caller.principal, now))
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


def _purges_deleted(project: Project, trigger: ProjectTrigger) -> bool:
    return trigger is ProjectTrigger.PURGE and project.status is ProjectStatus.DELETED
