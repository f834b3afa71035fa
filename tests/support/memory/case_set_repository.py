"""Case sets in memory."""

from collections.abc import Callable, Sequence
from datetime import datetime

from application.errors import ConcurrencyConflict
from application.ports.case_set_repository import CaseSetRepository
from domain.case_set import CaseSetName, CaseSetReference, CaseSetVersion
from domain.project import Project
from tests.support.memory.blob_repository import MemoryBlobRepository
from tests.support.memory.database import Tables


class MemoryCaseSetRepository(CaseSetRepository):
    """The versions of case sets in a transaction's tables."""

    def __init__(self, tables: Tables, now: Callable[[], datetime]) -> None:
        self._versions = tables.case_set_versions
        self._blobs = MemoryBlobRepository(tables, now)

    def add(self, version: CaseSetVersion) -> None:
        """Store a new version."""
        key = version.project_id, version.name, version.number
        if key in self._versions:
            raise ConcurrencyConflict("another transaction has stored a version of the set")
        self._versions[key] = version

    def get(self, project: Project, reference: CaseSetReference) -> CaseSetVersion | None:
        """Return a version, or the latest one."""
        if reference.version is None:
            return next(iter(self.versions(project, reference.name, 1)), None)
        return self._versions.get((project.id, reference.name, reference.version))

    def versions(self, project: Project, name: CaseSetName, limit: int) -> Sequence[CaseSetVersion]:
        """Return the latest versions of a case set, newest first."""
        return sorted(self._of(project, name), key=lambda version: -version.number)[:limit]

    def latest(self, project: Project, after: CaseSetName | None, limit: int) -> Sequence[CaseSetVersion]:
        """Return the latest version of each case set, by name."""
        names = {version.name for version in self._versions.values() if version.project_id == project.id}
        wanted = [name for name in sorted(names) if after is None or name > after][:limit]
        return [self.versions(project, name, 1)[0] for name in wanted]

    def remove(self, project: Project, name: CaseSetName) -> Sequence[CaseSetVersion]:
        """Remove all versions of a case set, and their references to blobs."""
        removed = sorted(self._of(project, name), key=lambda version: version.number)
        for version in removed:
            del self._versions[version.project_id, version.name, version.number]
        self._blobs.release([version.id for version in removed])
        return removed

    def _of(self, project: Project, name: CaseSetName) -> Sequence[CaseSetVersion]:
        return [
            version
            for version in self._versions.values()
            if version.project_id == project.id and version.name == name
        ]
