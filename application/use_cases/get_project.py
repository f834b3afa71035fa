from application.errors import NotFound
from application.ports.unit_of_work import UnitOfWork
from domain.project import Project, ProjectStatus
from domain.values import parse_project_reference


class GetProject:
    """Tell about one project."""

    def __init__(self, unit_of_work: UnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def __call__(self, name_or_id: str) -> Project:
        """Return the project.

        Raises:
            InvalidValue: What names the project can be neither a name nor an id.
            NotFound: There is no such project.
        """
        reference = parse_project_reference(name_or_id)
        project = self._unit_of_work.read(lambda transaction: transaction.projects.get(reference))
        if project is None or project.status is ProjectStatus.DELETED:
            raise NotFound("project", reference)
        return project
