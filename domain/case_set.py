"""A case set: the cases of a project that many jobs use, in versions that never change."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import NewType
from uuid import UUID

from domain.blob import BlobRef
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.tenant import TenantName
from domain.values import ProjectId

CaseSetVersionId = NewType("CaseSetVersionId", UUID)

CASE_SET_NAME_MAX_CHARS = 64
CASE_SET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True, order=True)
class CaseSetName:
    """The name of a case set within its project.

    Raises:
        InvalidValue: It has invalid characters or is too long.
    """

    value: str

    def __post_init__(self) -> None:
        if not CASE_SET_NAME.fullmatch(self.value):
            raise InvalidValue(
                "case_set",
                text("problems.case_set_name", maximum=CASE_SET_NAME_MAX_CHARS),
            )

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class CaseSetReference:
    """A caller's reference to a case set: its name, and a version; None for the latest version."""

    name: CaseSetName
    version: int | None = None

    def __str__(self) -> str:
        return self.name.value if self.version is None else f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSetVersion:
    """A version of a case set. It never changes.

    Attributes:
        number: The number of the version, from 1.
        manifest: All of its cases, in one blob.
        total: The number of cases.
        created_by: The principal that stored it.
    """

    id: CaseSetVersionId
    tenant: TenantName
    project_id: ProjectId
    name: CaseSetName
    number: int
    manifest: BlobRef
    total: int
    created_at: datetime
    created_by: str

    @property
    def reference(self) -> CaseSetReference:
        """The reference to this particular version."""
        return CaseSetReference(self.name, self.number)


def parse_case_set_reference(given: str) -> CaseSetReference:
    """Parse `name` or `name@version`.

    Raises:
        InvalidValue: The text is neither.
    """
    name, at, version = given.partition("@")
    if at and not _VERSION.fullmatch(version):
        raise InvalidValue("case_set", text("problems.case_set_version"))
    return CaseSetReference(CaseSetName(name), int(version) if at else None)
