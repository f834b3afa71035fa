"""SQL repository of case sets."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from adapters.sql.blob_repository import SqlBlobRepository
from adapters.sql.errors import inserted
from adapters.sql.tables import case_set_versions
from application.errors import ConcurrencyConflict
from application.ports.case_set_repository import CaseSetRepository
from domain.blob import BlobRef
from domain.case_set import CaseSetName, CaseSetReference, CaseSetVersion
from domain.project import Project
from domain.tenant import TenantName

_c = case_set_versions.c
_is_of_project = _c.project_id == sa.bindparam("project")
_is_of_set = sa.and_(_is_of_project, _c.name == sa.bindparam("set_name"))
_ADD = sa.insert(case_set_versions)
_GET = sa.select(case_set_versions).where(_is_of_set, _c.number == sa.bindparam("version"))
_VERSIONS = (
    sa.select(case_set_versions).where(_is_of_set).order_by(_c.number.desc()).limit(sa.bindparam("limit"))
)
_OF_SETS = (
    sa.select(_c.name, sa.func.max(_c.number).label("number"))
    .where(_is_of_project, _c.name > sa.bindparam("after"))
    .group_by(_c.name)
    .order_by(_c.name)
    .limit(sa.bindparam("limit"))
    .subquery()
)
_LATEST = (
    sa.select(case_set_versions)
    .join(_OF_SETS, sa.and_(_c.name == _OF_SETS.c.name, _c.number == _OF_SETS.c.number))
    .where(_is_of_project)
    .order_by(_c.name)
)
_LOCKED = sa.select(case_set_versions).where(_is_of_set).order_by(_c.number).with_for_update()
_REMOVE = sa.delete(case_set_versions).where(_is_of_set)


class SqlCaseSetRepository(CaseSetRepository):
    """Repository of the versions of case sets, identified by project, name and number."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, version: CaseSetVersion) -> None:
        """Store a new version."""
        row = {
            "version_id": version.id,
            "tenant": version.tenant.value,
            "project_id": version.project_id,
            "name": version.name.value,
            "number": version.number,
            "manifest_sha256": version.manifest.sha256,
            "manifest_size": version.manifest.size,
            "total": version.total,
            "created_at": version.created_at,
            "created_by": version.created_by,
        }
        if not inserted(lambda: self._connection.execute(_ADD, row)):
            raise ConcurrencyConflict("another transaction has stored a version of the set")

    def get(self, project: Project, reference: CaseSetReference) -> CaseSetVersion | None:
        """Return the referenced version, or the latest if the reference names none."""
        if reference.version is None:
            return next(iter(self.versions(project, reference.name, 1)), None)
        wanted = {**_of_set(project, reference.name), "version": reference.version}
        return next(iter(self._list(_GET, wanted)), None)

    def versions(self, project: Project, name: CaseSetName, limit: int) -> Sequence[CaseSetVersion]:
        """Return the latest versions of a case set, newest first."""
        return self._list(_VERSIONS, {**_of_set(project, name), "limit": limit})

    def latest(self, project: Project, after: CaseSetName | None, limit: int) -> Sequence[CaseSetVersion]:
        """Return the latest version of each case set, sorted by name."""
        first = "" if after is None else after.value
        return self._list(_LATEST, {"project": project.id, "after": first, "limit": limit})

    def remove(self, project: Project, name: CaseSetName) -> Sequence[CaseSetVersion]:
        """Remove all versions of a case set and their references to blobs; return the removed versions."""
        removed = self._list(_LOCKED, _of_set(project, name))
        if removed:
            self._connection.execute(_REMOVE, _of_set(project, name))
            SqlBlobRepository(self._connection).release([version.id for version in removed])
        return removed

    def _list(self, statement: sa.Select[Any], parameters: dict[str, object]) -> list[CaseSetVersion]:
        return [_to_version(row) for row in self._connection.execute(statement, parameters).mappings()]


def _of_set(project: Project, name: CaseSetName) -> dict[str, object]:
    return {"project": project.id, "set_name": name.value}


def _to_version(row: sa.RowMapping) -> CaseSetVersion:
    return CaseSetVersion(
        id=row["version_id"],
        tenant=TenantName(row["tenant"]),
        project_id=row["project_id"],
        name=CaseSetName(row["name"]),
        number=row["number"],
        manifest=BlobRef(row["manifest_sha256"], row["manifest_size"]),
        total=row["total"],
        created_at=row["created_at"],
        created_by=row["created_by"],
    )
