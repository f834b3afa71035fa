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

    * An archived project keeps its history and takes no new work; running jobs continue to their end.
    * A deleted project no longer appears in any list, and its name can be used again; its jobs can still be
      read by their ids.
    * A purged project and its jobs are hidden from every caller at once, and `RemoveDeleted` removes them. A
      project that is already deleted is purged by its id.
    * A project cannot be deleted or purged while one of its jobs is running.
    * A suspended tenant cannot change projects.
    """

    def __init__(self, unit_of_work: CallerUnitOfWork, clock: Clock, ids: IdGenerator) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._ids = ids

    def __call__(self, caller: Caller, name_or_id: str, trigger: ProjectTrigger) -> Project:
        """Apply the trigger; return the changed project.

        Raises:
            InvalidValue: The reference is neither a valid name nor a valid id.
            NotFound: There is no such project.
            ProjectTransitionRefused: The project's status forbids the trigger.
            TenantTransitionRefused: The tenant is suspended.
            Conflict: The trigger is DELETE or PURGE, and the project has a running job.
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
            # Checked last, once the row is locked: jobs started before that are visible.
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
