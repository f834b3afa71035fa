from collections.abc import Sequence

from application.ports.unit_of_work import UnitOfWork
from domain.project import Project


class ListProjects:
    """List the projects that are not deleted, by their ids."""

    def __init__(self, unit_of_work: UnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def __call__(self) -> Sequence[Project]:
        """Return the projects."""
        return self._unit_of_work.read(lambda transaction: transaction.projects.all())
